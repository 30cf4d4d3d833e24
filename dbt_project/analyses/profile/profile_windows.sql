-- The evaluation windows: a model is trained on data before as_of and evaluated on data from as_of to window_end_at.
select
    cutoff,
    as_of,
    window_end_at
from {{ ref('int_feature_cutoffs') }}
where window_end_at is not null
order by as_of
