{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_unread_values'}}}) }}

-- noqa: disable=LT02

-- Warns of values that were not understood in columns without a quarantine rule, where they change recommendations
-- without another sign.
with ranked_values as (

    select
        *,
        sum(rows) over (partition by feed, column_name) as column_rows,
        row_number() over (
            partition by feed, column_name
            order by unread.value is null, unread.rows desc, unread.value
        ) as value_rank
    from {{ ref('audit_unread_values') }} as unread
    where column_name in (
        'is_available', 'popularity_score', 'updated_at', 'category', 'brand', 'product_name', 'margin', 'product_url',
        'image_url'
    )

),

unread_columns as (

    select
        feed,
        column_name,
        column_rows,
        max(case when value_rank = 1 then value end) as first_value,
        max(case when value_rank = 2 then value end) as second_value,
        max(case when value_rank = 3 then value end) as third_value
    from ranked_values
    group by feed, column_name, column_rows

)

select
    concat(
        'values not understood: ', feed, ': ', column_name, ' has no known value in ', column_rows, ' rows, such as ',
        concat_ws(', ', first_value, second_value, third_value), '. ',
        case column_name
            when 'is_available' then 'Declare the values under availability in the sources file'
            when 'popularity_score' then 'Declare decimal or thousands in the sources file'
            when 'updated_at' then 'Declare timestamp_formats in the sources file'
            when 'margin' then 'A margin is a share of the price such as 0.35, or has a percent sign'
            when 'product_url' then 'Only whole addresses with http or https count'
            when 'image_url' then 'Only whole addresses with http or https count'
            else concat(
                'Map a value inside it with a path such as $.', column_name,
                case when first_value like '[%' then '.0' else '.name' end
            )
        end,
        ', or as null_values if they mean a missing value'
    ) as message
from unread_columns
order by feed, column_name
