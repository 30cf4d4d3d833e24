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
{% set period_columns = ['user_id', 'placement', 'published_at', 'publication', '_line', '_load_id'] %}

with periods as (

    select
        _load_id,
        _line,
        -- A later publication can have an earlier time: that of a simulated shop, or after a clock was corrected. The number in
        -- the name of the publication orders them.
        min(published_at) over (
            partition by user_id, placement
            order by regexp_extract(publication, '^recomart-([0-9]{8})-', 1), published_at
            rows between 1 following and unbounded following
        ) as next_published_at
    from ({{ lists_to_build(period_columns) }}) as lists

)

select
    lists.user_id,
    lists.placement,
    lists.published_at,
    case
        when periods.next_published_at < lists.published_at then lists.published_at
        else periods.next_published_at
    end as live_until,
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
