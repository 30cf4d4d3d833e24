{% set content_columns = [
    '_load_id', '_line', 'action_type', 'action_at', 'weight', 'half_life_days', 'quantity', 'price',
] %}

with actions as (

    select * from {{ ref('int_actions_with_cutoffs') }}

),

final as (

    select
        action_date,
        count(*) as action_count,
        {{ rows_fingerprint(content_columns) }} as content_fingerprint,
        {{ dbt.concat([
            rows_fingerprint(content_columns + ['first_visible_cutoff', 'weight_reference_at']),
            "'/" ~ var('popularity_half_life_days') ~ "'",
        ]) }}
            as version
    from actions
    group by action_date

)

select * from final
