with now_instant as (

    select last_day from {{ ref('int_as_of_spine') }}
    where as_of_name = 'now'

),

products as (

    select product_id, category, brand, is_available from {{ ref('dim_products') }}

),

-- What a rule can name of a product.
facets as (

    select product_id, 'product' as scope, product_id as value from products
    union all
    select product_id, 'category' as scope, category as value from products
    where category is not null
    union all
    select product_id, 'brand' as scope, brand as value from products
    where brand is not null

),

blocks as (

    select
        seed.scope,
        {{ rule_value('seed.scope', 'seed.value') }} as value,
        {{ clean_text('seed.reason') }} as reason
    from {{ ref('offer_blocks') }} as seed
    left join now_instant on true
    where {{ is_in_force('seed', 'now_instant.last_day') }}

),

blocked as (

    select
        facets.product_id,
        min('blocked ' || blocks.scope || coalesce(': ' || blocks.reason, '')) as because
    from facets
    inner join blocks on facets.scope = blocks.scope and facets.value = blocks.value
    group by facets.product_id

),

caps as (

    select
        scope,
        lower({{ clean_text('value') }}) as value,
        cast(most as {{ dbt.type_int() }}) as most
    from {{ ref('offer_caps') }}

),

capped as (

    select
        facets.product_id,
        facets.scope,
        case when own.scope is not null then own.most else others.most end as most
    from facets
    left join caps as own on facets.scope = own.scope and facets.value = own.value
    left join caps as others on facets.scope = others.scope and others.value is null

),

product_caps as (

    select
        product_id,
        min(case when scope = 'category' then most end) as category_cap,
        min(case when scope = 'brand' then most end) as brand_cap
    from capped
    group by product_id

),

repeats as (

    select
        lower({{ clean_text('category') }}) as category,
        cast(after_days as {{ dbt.type_int() }}) as after_days,
        true as is_rule
    from {{ ref('offer_repeats') }}

),

pins as (

    select product_id, position from {{ ref('int_pins_in_force') }}
    where favourite_category is null

),

final as (

    select
        products.product_id,
        products.is_available and blocked.product_id is null as is_offered,
        case when not products.is_available then 'not available' else blocked.because end as not_offered_because,
        products.category,
        products.brand,
        product_caps.category_cap,
        product_caps.brand_cap,
        case when own.is_rule then own.after_days else others.after_days end as repeat_after_days,
        pins.position as pinned_position
    from products
    inner join product_caps on products.product_id = product_caps.product_id
    left join blocked on products.product_id = blocked.product_id
    left join repeats as own on products.category = own.category
    left join repeats as others on others.category is null and others.is_rule
    left join pins on products.product_id = pins.product_id

)

select * from final
