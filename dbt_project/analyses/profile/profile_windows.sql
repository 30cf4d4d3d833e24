-- The windows that models are evaluated on: the trainer sees what is before as_of, and is measured on what comes until
-- window_end_at.
select
    cutoff,
    as_of,
    window_end_at
from {{ ref('int_feature_cutoffs') }}
where window_end_at is not null
order by as_of
