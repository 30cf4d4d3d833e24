{{ config(meta={'dagster': {'ref': {'name': 'int_active_experiments'}}}) }}

-- Stops a run before lists change when two experiments are active on one day: each customer has one list.
-- depends_on: {{ ref('int_active_experiments') }}
with experiments as (

    select
        {{ clean_text('name') }} as name,
        min(starts_on) as starts_on,
        max(coalesce(ends_on, date '9999-12-31')) as ends_on
    from {{ experiment_rows() }}
    group by {{ clean_text('name') }}

)

select
    concat(
        'experiments.csv: experiments ''', experiments.name, ''' and ''', others.name, ''' are both active on ',
        greatest(experiments.starts_on, others.starts_on), '. Change their dates so that one ends before the other ',
        'starts'
    ) as message
from experiments
inner join experiments as others
    on experiments.name < others.name
    and experiments.starts_on < others.ends_on
    and experiments.ends_on > others.starts_on
order by experiments.name, others.name
