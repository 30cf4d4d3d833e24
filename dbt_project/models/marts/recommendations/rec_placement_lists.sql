with lists as (

    select
        placement_lists.*,
        products.product_name,
        products.category,
        products.brand,
        products.price,
        coalesce(reason_products.product_name, products.product_name) as reason_product_name,
        purchases.purchase_days,
        purchases.last_purchase_date
    from {{ ref('int_placement_lists') }} as placement_lists
    inner join {{ ref('dim_products') }} as products on placement_lists.product_id = products.product_id
    left join {{ ref('dim_products') }} as reason_products
        on placement_lists.reason_product_id = reason_products.product_id
    left join {{ ref('feat_user_product_repeats') }} as purchases
        on placement_lists.user_id = purchases.user_id
        and placement_lists.product_id = purchases.product_id
        and purchases.cutoff = 'now'

)

select
    lists.placement,
    lists.rule_profile,
    lists.user_id,
    lists.list_product_id,
    lists.list_category,
    lists.rank,
    lists.product_id,
    lists.product_name,
    lists.category,
    lists.brand,
    lists.price,
    round(lists.score, 9) as score,
    lists.source,
    lists.reason_product_id,
    {{ fill_placeholders(
        fill_purchase_placeholders('reason_texts.reason_text', 'lists.purchase_days', 'lists.last_purchase_date'),
        'lists.reason_product_name',
        'lists.category',
    ) }} as reason,
    lists.reason_key
from lists
left join {{ ref('reason_texts') }} as reason_texts on lists.reason_key = reason_texts.reason_key
