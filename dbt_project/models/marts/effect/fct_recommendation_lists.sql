{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key=['_load_id', '_line'],
    on_schema_change='fail',
    meta={'outdated': 'outdated_lists'},
) }}
-- noqa: disable=LT02
{% set columns = [
    'user_id', 'placement', 'published_at', 'experiment', 'arm', 'run_id', 'product_ids', 'sources', 'reason_keys',
    'propensities', 'publication', '_line', '_load_id',
] %}

{#- Sorting the lists with their products would take several times as long. -#}
{% set period_columns = ['user_id', 'placement', 'published_at', '_line', '_load_id'] %}

with periods as (

    select
        _load_id,
        _line,
        lead(published_at) over (partition by user_id, placement order by published_at) as live_until
    from ({{ lists_to_build(period_columns) }}) as lists

)

select
    lists.user_id,
    lists.placement,
    lists.published_at,
    periods.live_until,
    lists.experiment,
    lists.arm,
    lists.run_id,
    lists.product_ids,
    lists.sources,
    lists.reason_keys,
    lists.propensities,
    lists.publication,
    lists._line,
    lists._load_id
from ({{ lists_to_build(columns) }}) as lists
left join periods on lists._load_id = periods._load_id and lists._line = periods._line
