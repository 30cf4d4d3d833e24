{{ config(meta={'dagster': {'ref': {'name': 'int_active_experiments'}}}) }}

-- Stops a run before lists change when a running experiment was changed in another way than by a proportional growth of its
-- shares or by its end: customers who saw the lists of one arm would count for another. The reference is rec_experiments as
-- the last build left it, so the test has no ref to it, which would run the test after its build.
-- depends_on: {{ ref('int_active_experiments') }}
-- depends_on: {{ ref('int_feature_cutoffs') }}
-- depends_on: {{ ref('experiments') }}
{% set built_arms = none %}
{% if is_running_nodes() %}
    {% set built_arms = adapter.get_relation(
        database=target.database, schema=generate_schema_name('marts', none), identifier='rec_experiments'
    ) %}
{% endif %}
{% if not built_arms %}
select 'no build has an experiment yet' as message
where false
{% else %}
with built as (

    select
        arms.experiment,
        arms.arm,
        arms.policy,
        {{ share_units('arms.share') }} as share_units,
        sum({{ share_units('arms.share') }}) over (partition by arms.experiment) as total_share_units,
        arms.starts_on,
        arms.ends_on,
        arms.active_on,
        arms.policy like 'model:%' and arms.run_id is null as is_unknown_model
    from {{ built_arms }} as arms
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    where arms.ends_on is null or arms.ends_on > cutoffs.last_date

),

declared as (

    select
        {{ clean_text('name') }} as experiment,
        {{ clean_text('arm') }} as arm,
        {{ clean_text('policy') }} as policy,
        {{ share_units('share') }} as share_units,
        sum({{ share_units('share') }}) over (partition by {{ clean_text('name') }}) as total_share_units,
        starts_on,
        ends_on
    from {{ experiment_rows() }}

),

compared as (

    select
        built.experiment,
        built.arm,
        case
            when declared.arm is null
                then concat('is missing. To end the experiment, set ends_on to a day after ', built.active_on)
            -- An unknown model never ranked.
            when declared.policy != built.policy and not built.is_unknown_model
                then concat('had the policy ', built.policy)
            when declared.starts_on != built.starts_on then concat('had starts_on ', built.starts_on)
            when declared.ends_on <= built.active_on then concat('was active on ', built.active_on, ', after ends_on')
            when declared.total_share_units < built.total_share_units
                then 'belongs to shares that have become smaller, and may only grow'
            when declared.share_units * built.total_share_units != built.share_units * declared.total_share_units
                then concat(
                        'had ', built.share_units, ' of ', built.total_share_units, ' ten-thousandths of the shares'
                    )
        end as change
    from built
    left join declared on built.experiment = declared.experiment and built.arm = declared.arm

    union all

    select
        declared.experiment,
        declared.arm,
        'is new' as change
    from declared
    left join built on declared.experiment = built.experiment and declared.arm = built.arm
    where
        built.arm is null
        and declared.experiment in (select running.experiment from built as running)

)

select
    concat(
        'experiments.csv: experiment ''', experiment, ''' is running and must not change: arm ''', arm, ''' ', change,
        '. Declare an experiment with another name, or raise all shares in the same proportion'
    ) as message
from compared
where change is not null
order by experiment, arm
{% endif %}
