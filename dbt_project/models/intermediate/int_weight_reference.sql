{{ config(materialized='view') }}

with half_lives as (

    select min(half_life_days) as min_half_life_days from {{ ref('event_weights') }}

),

now_cutoff as (

    select as_of from {{ ref('int_feature_cutoffs') }}
    where cutoff = 'now'

),

-- Steps of thirty of the shortest half-lives: a weight relative to the reference time grows by a factor of 2^30 at most.
steps as (

    select
        now_cutoff.as_of,
        30 * 86400 * half_lives.min_half_life_days as step_seconds
    from now_cutoff
    cross join half_lives

)

select
    cast(
        {{ dbt.dateadd(
            'second',
            'cast(floor(' ~ dbt.datediff("timestamp '2000-01-01'", 'as_of', 'second')
            ~ ' / step_seconds) * step_seconds as ' ~ dbt.type_bigint() ~ ')',
            "timestamp '2000-01-01'",
        ) }} as {{ dbt.type_timestamp() }}
    ) as weight_reference_at
from steps
