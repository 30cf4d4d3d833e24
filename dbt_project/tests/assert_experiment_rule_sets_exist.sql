{{ config(meta={'dagster': {'ref': {'name': 'int_product_rules'}}}) }}

-- Stops a run before lists change when the policy of an arm names a rule set that no merchandising rule has: the lists of
-- the arm would equal those of policy model.
-- depends_on: {{ ref('int_product_rules') }}
with rule_sets as (

    select distinct rule_set from {{ ref('rec_active_rules') }}

),

arms as (

    select
        {{ clean_text('name') }} as experiment,
        {{ clean_text('arm') }} as arm,
        {{ rule_set_of_policy(clean_text('policy')) }} as rule_set
    from {{ experiment_rows() }}

)

select
    concat(
        'experiments.csv: experiment ''', arms.experiment, ''', arm ''', arms.arm, ''': no live merchandising rule ',
        'has the rule set ''', arms.rule_set, '''. Add its rules with ',
        '`recomart rules add --rule-set ', arms.rule_set, '`'
    ) as message
from arms
left join rule_sets on arms.rule_set = rule_sets.rule_set
where arms.rule_set is not null and rule_sets.rule_set is null
order by arms.experiment, arms.arm
