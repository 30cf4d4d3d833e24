{{ config(materialized='view') }}

select '' as rule_set
union
select rule_set from {{ ref('int_active_experiments') }}
where rule_set is not null
