with catalog as (

    select
        product_id,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        updated_at as seen_at,
        true as is_catalog,
        _feed,
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

-- A shop that sends no product facts at all is taken at its word about what its products are.
named as (

    select product_id, event_at as seen_at, _feed, _file, _line from {{ ref('stg_shop__events') }}
    union all
    select product_id, purchased_at as seen_at, _feed, _file, _line from {{ ref('stg_shop__purchases') }}

),

named_without_facts as (

    select
        product_id,
        cast(null as {{ dbt.type_string() }}) as product_name,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as {{ dbt.type_string() }}) as brand,
        cast(null as {{ type_double() }}) as price,
        seen_at,
        _feed,
        _file,
        _line
    from named
    where
        not exists (select 1 from catalog)
        and not exists (select 1 from carried_by_events)
        and not exists (select 1 from carried_by_purchases)

),

carried as (

    select * from carried_by_events
    union all
    select * from carried_by_purchases
    union all
    select * from named_without_facts

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
            order by is_catalog, seen_at nulls first, _feed, _file, _line
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
