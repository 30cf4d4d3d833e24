{#- Of whom each feature is compared: whoever was active of late and what is sold, so that a shop does not seem to change
    because its past grows longer. For the same reason no feature is here that only ever grows, nor one that tells the hour or
    the weekday of the instant: between instants a week apart or less, days since the last action have an index of up to 0.31
    in the demo shop and 1.5 in Online Retail, strengths, which fade by the hour, 0.14 there. What is here has 0.02 at most. -#}
{%- set features = [
    {
        'table': 'feat_user_activity',
        'columns': ['action_count_28d', 'average_order_value', 'add_to_cart_rate', 'purchase_rate', 'mobile_share'],
        'of': 'features.action_count_28d > 0',
    },
    {
        'table': 'feat_product_popularity',
        'columns': ['event_count_28d', 'purchase_count_28d', 'user_count_28d', 'recent_popularity', 'conversion'],
        'of': 'features.event_count_28d + features.purchase_count_28d > 0',
    },
    {
        'table': 'ml_product_features',
        'columns': ['price'],
        'of': 'features.is_available',
    },
] -%}
{%- set deciles = range(1, 10) -%}
with periods as (

    select * from {{ ref('int_drift_periods') }}
    where kind = 'feature'

),

feature_values as (

    {% for feature in features -%}
    {% set is_last_table = loop.last -%}
    {% for column in feature['columns'] -%}
    select
        '{{ feature['table'] }}.{{ column }}' as name,
        periods.period,
        cast(features.{{ column }} as {{ type_double() }}) as value
    from {{ ref(feature['table']) }} as features
    inner join periods on features.as_of_name = periods.as_of_name
    where {{ feature['of'] }}
    {{ 'union all' if not (loop.last and is_last_table) }}
    {% endfor -%}
    {% endfor %}
),

-- A sort is cheaper than percentiles: 0.6 s for four million values where they take 2.8 s.
tiled as (

    select
        name,
        value,
        ntile(10) over (partition by name order by value) as tile
    from feature_values
    where period = 'reference' and value is not null

),

cuts as (

    select
        name
        {%- for decile in deciles %},
        max(case when tile = {{ decile }} then value end) as cut_{{ decile }}
        {%- endfor %}
    from tiled
    group by name

),

-- Where deciles are equal, the bins between them have nothing.
binned as (

    select
        feature_values.name,
        feature_values.period,
        case
            when feature_values.value is null then 0
            else 1
                {%- for decile in deciles %}
                + case when feature_values.value > cuts.cut_{{ decile }} then 1 else 0 end
                {%- endfor %}
        end as place
    from feature_values
    left join cuts on feature_values.name = cuts.name

),

counted as (

    select
        name,
        place,
        count(case when period = 'reference' then 1 end) as reference_rows,
        count(case when period = 'present' then 1 end) as present_rows
    from binned
    group by name, place

),

bounded as (

    select
        counted.*,
        case counted.place
            {%- for decile in deciles %}
            when {{ decile + 1 }} then cuts.cut_{{ decile }}
            {%- endfor %}
        end as above,
        case counted.place
            {%- for decile in deciles %}
            when {{ decile }} then cuts.cut_{{ decile }}
            {%- endfor %}
        end as up_to
    from counted
    left join cuts on counted.name = cuts.name

),

final as (

    select
        name,
        case
            when place = 0 then '(unknown)'
            when above is null and up_to is null then '(known)'
            when above is null then concat('up to ', round(up_to, 3))
            when up_to is null then concat('above ', round(above, 3))
            else concat('above ', round(above, 3), ' up to ', round(up_to, 3))
        end as bin,
        cast(place as {{ type_double() }}) as place,
        reference_rows,
        present_rows
    from bounded

)

select * from final
