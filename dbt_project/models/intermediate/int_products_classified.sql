with products as (

    select * from {{ ref('stg_shop__products') }}

),

-- A catalog is sent again and again: a version is a row whose facts differ from the product's version before.
fingerprinted as (

    select
        *,
        {{ fingerprint([
            'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'unreadable_price',
        ]) }} as facts
    from products

),

compared as (

    select
        *,
        lag(facts) over (
            partition by _feed, product_id
            order by updated_at nulls first, {{ natural_order('_file') }}, _file, _line
        ) as facts_before
    from fingerprinted

),

checked as (

    select
        *,
        coalesce(facts = facts_before, false) as is_repeat,
        {{ broken_rules({
            'missing_product': 'product_id is null',
            'bad_price': 'price < 0 or unreadable_price is not null',
        }) }} as broken_rules
    from compared

),

final as (

    select
        product_id,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        updated_at,
        unreadable_price,
        case
            when is_repeat then 'duplicate'
            when broken_rules is not null then 'quarantined'
            else 'clean'
        end as row_status,
        case when not is_repeat then broken_rules end as reasons,
        _extra,
        _feed,
        _file,
        _line
    from checked

)

select * from final
