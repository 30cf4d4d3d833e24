{{ config(materialized='view') }}

select
    placement,
    rule_profile,
    user_id,
    null as list_product_id,
    null as list_category,
    product_id,
    list_order,
    score,
    source,
    reason_key,
    reason_product_id
from {{ ref('int_home_candidates') }}

union all

select
    placement,
    rule_profile,
    user_id,
    null as list_product_id,
    null as list_category,
    product_id,
    list_order,
    score,
    source,
    reason_key,
    null as reason_product_id
from {{ ref('int_bought_candidates') }}

union all

select
    placement,
    rule_profile,
    user_id,
    null as list_product_id,
    null as list_category,
    product_id,
    list_order,
    score,
    source,
    reason_key,
    null as reason_product_id
from {{ ref('int_viewed_candidates') }}

union all

select
    placement,
    rule_profile,
    null as user_id,
    list_product_id,
    null as list_category,
    product_id,
    list_order,
    score,
    source,
    reason_key,
    reason_product_id
from {{ ref('int_related_candidates') }}

union all

select
    placement,
    rule_profile,
    null as user_id,
    null as list_product_id,
    list_category,
    product_id,
    list_order,
    score,
    source,
    reason_key,
    null as reason_product_id
from {{ ref('int_category_candidates') }}
