with changes as (

    select
        cast({{ json_text('json', 'number') }} as {{ dbt.type_int() }}) as change_number,
        cast({{ json_text('json', 'changed_at') }} as {{ dbt.type_timestamp() }}) as changed_at,
        {{ json_text('json', 'user') }} as changed_by,
        {{ json_text('json', 'entry_id') }} as rule_id,
        {{ json_text('json', 'after') }} as rule
    from {{ source('merchandising', 'rule_changes') }}

),

newest_changes as (

    select
        *,
        row_number() over (partition by rule_id order by change_number desc) as recency
    from changes

)

-- A change that removed its rule has no rule.
select
    rule_id,
    change_number,
    changed_at,
    changed_by,
    {{ json_text('rule', 'kind') }} as kind,
    {{ json_text('rule', 'scope') }} as scope,
    {{ normalized_rule_value(json_text('rule', 'scope'), json_text('rule', 'value')) }} as value,
    cast({{ json_text('rule', 'min_price') }} as {{ type_double() }}) as min_price,
    cast({{ json_text('rule', 'max_price') }} as {{ type_double() }}) as max_price,
    cast({{ json_text('rule', 'max_age_days') }} as {{ dbt.type_int() }}) as max_age_days,
    cast({{ json_text('rule', 'position') }} as {{ dbt.type_int() }}) as position,
    cast({{ json_text('rule', 'factor') }} as {{ type_double() }}) as factor,
    cast({{ json_text('rule', 'every') }} as {{ dbt.type_int() }}) as every,
    cast({{ json_text('rule', 'max_products') }} as {{ dbt.type_int() }}) as max_products,
    cast({{ json_text('rule', 'after_days') }} as {{ dbt.type_int() }}) as after_days,
    cast({{ json_text('rule', 'max_impressions') }} as {{ dbt.type_int() }}) as max_impressions,
    {{ json_text('rule', 'placements') }} as placements,
    lower({{ clean_text(json_text('rule', 'favourite_category')) }}) as favourite_category,
    {{ normalized_rule_set(json_text('rule', 'rule_set')) }} as rule_set,
    cast({{ json_text('rule', 'valid_from') }} as date) as valid_from,
    cast({{ json_text('rule', 'valid_until') }} as date) as valid_until,
    {{ json_text('rule', 'reason') }} as reason,
    coalesce(cast({{ json_text('rule', 'is_draft') }} as boolean), false) as is_draft,
    coalesce(cast({{ json_text('rule', 'is_stopped') }} as boolean), false) as is_stopped
from newest_changes
where recency = 1 and rule is not null
