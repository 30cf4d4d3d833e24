-- The windows that models are evaluated on: the trainer sees what is before as_of, and is measured on what comes until
-- window_end.
select
    as_of_name,
    as_of,
    window_end
from {{ ref('int_as_of_spine') }}
where window_end is not null
order by as_of
