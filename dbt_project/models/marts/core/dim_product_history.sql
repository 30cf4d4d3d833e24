with statements as (

    select
        *,
        coalesce(seen_at, {{ since_ever() }}) as stated_at
    from {{ ref('int_products_unioned') }}

),

-- After each statement: for each fact, the weightiest word so far. Statements of one instant are one step.
states as (

    select distinct
        product_id,
        stated_at,
        {{ latest('product_name', 'version_number') }} over said_so_far as product_name,
        {{ latest('category', 'version_number') }} over said_so_far as category,
        {{ latest('brand', 'version_number') }} over said_so_far as brand,
        {{ latest('price', 'version_number') }} over said_so_far as price,
        {{ latest('popularity_score', 'version_number') }} over said_so_far as popularity_score,
        {{ latest('is_available', 'version_number') }} over said_so_far as is_available
    from statements
    window said_so_far as (partition by product_id order by stated_at)

),

shown as (

    select
        product_id,
        {{ display_name('product_name', 'brand', 'product_id') }} as product_name,
        category,
        brand,
        price,
        popularity_score,
        coalesce(is_available, true) as is_available,
        stated_at
    from states

),

compared as (

    select
        *,
        {{ fingerprint(['product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available']) }} as facts
    from shown

),

changed as (

    select
        *,
        lag(facts) over (partition by product_id order by stated_at) as facts_before
    from compared

),

versions as (

    select
        *,
        row_number() over (partition by product_id order by stated_at) as version,
        lead(stated_at) over (partition by product_id order by stated_at) as next_stated_at
    from changed
    where facts_before is null or facts != facts_before

),

final as (

    select
        product_id,
        version,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        stated_at as valid_from,
        coalesce(next_stated_at, {{ until_further_notice() }}) as valid_to,
        next_stated_at is null as is_current
    from versions

)

select * from final
