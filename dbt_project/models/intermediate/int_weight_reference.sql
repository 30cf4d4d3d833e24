{{ config(materialized='view') }}

-- The newest multiple of 30 of the shortest half-lives since 2000 that is not after now. The time moves forward in steps,
-- because a weight relative to it grows with the time of its action: by a factor of 2^30 at most within a step, and beyond
-- any decimal without one.
with steps as (

    select
        cutoffs.as_of,
        30 * 86400 * min(event_weights.half_life_days) as step_seconds
    from {{ ref('int_feature_cutoffs') }} as cutoffs
    cross join {{ ref('event_weights') }} as event_weights
    where cutoffs.cutoff = 'now'
    group by cutoffs.as_of

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
