with shares as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        cutoffs.window_end_at,
        count(days.user_id) as purchase_count,
        count(case when days.purchase_number > 1 then 1 end) as repeat_count
    from {{ ref('int_feature_cutoffs') }} as cutoffs
    left join {{ ref('int_purchase_days') }} as days on days.purchased_at < cutoffs.as_of
    group by cutoffs.cutoff, cutoffs.as_of, cutoffs.window_end_at

)

-- The share at cutoff now decides for all cutoffs: the windows would otherwise measure different lists.
select
    cutoff,
    as_of,
    max({{ days_between('as_of', 'window_end_at') }}) over () as horizon_days,
    purchase_count,
    repeat_count,
    coalesce({{ safe_divide('repeat_count', 'purchase_count') }}, 0) as repeat_share,
    '{{ var("repeat_purchases") }}' as repeat_purchases,
    {% if var('repeat_purchases') == 'auto' -%}
    max(
        case
            when cutoff = 'now'
                then purchase_count >= {{ var('min_repeat_share_purchases') }}
                and repeat_count >= {{ var('min_repeat_share') }} * purchase_count
        end
    ) over () as is_repeat_shop
    {%- else -%}
    {{ 'true' if var('repeat_purchases') == 'always' else 'false' }} as is_repeat_shop
    {%- endif %}
from shares
