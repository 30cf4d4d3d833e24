with catalog as (

    select
        product_id,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        stated_at as seen_at,
        true as is_catalog,
        _feed,
        {{ natural_order('_file') }} as file_order,
        _file,
        _line
    from {{ ref('int_products_classified') }}
    where row_status = 'clean'

),

carried_by_events as (

    select
        product_id,
        product_name,
        category,
        brand,
        case when price > 0 then price end as price,
        event_at as seen_at,
        _feed,
        _file,
        _line
    from {{ ref('stg_shop__events') }}
    where carries_product_facts

),

-- Lines of returns, stock corrections and gifts carry remarks where the name should be, so only sales tell facts.
carried_by_purchases as (

    select
        product_id,
        case when coalesce(quantity, 1) > 0 and price > 0 then product_name end as product_name,
        category,
        brand,
        case when coalesce(quantity, 1) > 0 and price > 0 then price end as price,
        purchased_at as seen_at,
        _feed,
        _file,
        _line
    from {{ ref('stg_shop__purchases') }}
    where carries_product_facts

),

named as (

    select product_id, event_at as seen_at from {{ ref('stg_shop__events') }}
    where not carries_product_facts
    union all
    select product_id, purchased_at as seen_at from {{ ref('stg_shop__purchases') }}
    where not carries_product_facts

),

-- Only a catalog can tell that a product does not exist: a shop without one is taken at its word about what its
-- products are, also where another feed carries facts. The first row that names a product is enough: it says no more.
named_on_trust as (

    select
        product_id,
        cast(null as {{ dbt.type_string() }}) as product_name,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as {{ dbt.type_string() }}) as brand,
        cast(null as {{ type_double() }}) as price,
        min(seen_at) as seen_at,
        cast(null as {{ dbt.type_string() }}) as _feed,
        cast(null as {{ dbt.type_string() }}) as _file,
        cast(null as {{ dbt.type_bigint() }}) as _line
    from named
    where not exists (select 1 from catalog)
    group by product_id

),

carried as (

    select * from carried_by_events
    union all
    select * from carried_by_purchases
    union all
    select * from named_on_trust

),

unioned as (

    select * from catalog

    union all

    select
        product_id,
        product_name,
        category,
        brand,
        price,
        cast(null as {{ type_double() }}) as popularity_score,
        cast(null as boolean) as is_available,
        seen_at,
        false as is_catalog,
        _feed,
        _file as file_order,
        _file,
        _line
    from carried
    where product_id is not null and seen_at is not null

),

-- The catalog's word counts for more than what an event or a purchase carries, then the newer word.
fingerprinted as (

    select
        *,
        row_number() over (
            partition by product_id
            order by is_catalog, seen_at nulls first, _feed, file_order, _file, _line
        ) as version_number,
        {{ fingerprint([
            'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'is_catalog',
        ]) }} as facts
    from unioned

),

compared as (

    select
        *,
        lag(facts) over (partition by product_id order by version_number) as facts_before
    from fingerprinted

),

final as (

    select
        product_id,
        version_number,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        seen_at,
        is_catalog
    from compared
    where facts_before is null or facts != facts_before

)

select * from final
