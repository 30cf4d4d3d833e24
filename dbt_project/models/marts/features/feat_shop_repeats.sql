with shares as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        cutoffs.window_end_at,
        count(days.user_id) as purchase_count,
        count(case when days.purchase_number > 1 then 1 end) as repeat_count
    from {{ ref('int_feature_cutoffs') }} as cutoffs
    left join {{ ref('int_purchase_days') }} as days on cutoffs.as_of > days.purchased_at
    group by cutoffs.cutoff, cutoffs.as_of, cutoffs.window_end_at

)

-- The share at cutoff now decides for all cutoffs: the windows would otherwise measure different lists.
select
    cutoff,
    as_of,
    max(case when cutoff = 'test' then {{ days_between('as_of', 'window_end_at') }} end) over () as horizon_days,
    purchase_count,
    repeat_count,
    coalesce({{ safe_divide('repeat_count', 'purchase_count') }}, 0) as repeat_share,
    '{{ var("repeat_purchases") }}' as repeat_purchases,
    case '{{ var("repeat_purchases") }}'
        when 'always' then true
        when 'never' then false
        else
            max(
                case
                    when cutoff = 'now'
                        then purchase_count >= {{ var('min_repeat_share_purchases') }}
                            and repeat_count >= {{ var('min_repeat_share') }} * purchase_count
                end
            ) over ()
    end as is_repeat_shop
from shares
