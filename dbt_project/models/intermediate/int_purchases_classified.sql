{{ config(
    materialized='incremental',
    incremental_strategy='replace_days_out_of_date',
    on_schema_change='fail',
    meta={'kind': 'purchases', 'staged': 'stg_shop__purchases', 'instant': 'purchased_at'},
) }}
{% set facts = [
    'transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'purchased_at',
    'product_name', 'category', 'brand',
    'unreadable_quantity', 'unreadable_price', 'unreadable_purchased_at',
] %}
{% set columns = facts + [
    '_extra', '_line', '_load_id', '_declaration',
] %}
{% set purchases = 'rows_of_days_out_of_date' if is_incremental() else ref('stg_shop__purchases') %}

with known_products as (

    select distinct product_id from {{ ref('int_products_unioned') }}

),

{% if is_incremental() -%}
{{ rows_of_days_out_of_date(this, ref('stg_shop__purchases'), 'purchased_at', columns) }},

{% endif -%}
-- A repeat is a line that says in every column, undeclared ones included, what an earlier line of the same feed said.
{{ copies_found(purchases, facts) }},

checked as (

    select
        purchases.*,
        later_copies._line is not null as is_repeat,
        {{ broken_rules({
            'missing_product': 'purchases.product_id is null',
            'unknown_product': 'purchases.product_id is not null and known_products.product_id is null',
            'bad_timestamp': 'purchased_at is null',
            'bad_quantity': 'quantity = 0 or unreadable_quantity is not null',
            'bad_price': 'price < 0 or unreadable_price is not null',
        }) }} as broken_rules
    from {{ purchases }} as purchases
    left join known_products on purchases.product_id = known_products.product_id
    left join later_copies
        on purchases._load_id = later_copies._load_id
        and purchases._line = later_copies._line

),

final as (

    select
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        {{ day_of('purchased_at') }} as _day,
        case
            when is_repeat then 'duplicate'
            when broken_rules is not null then 'quarantined'
            else 'clean'
        end as row_status,
        case when not is_repeat then broken_rules end as reasons
    from checked

)

select * from final
