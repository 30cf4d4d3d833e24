{% macro query_to_list(query) -%}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}

{% macro query_to_dates(query) -%}
    {%- set dates = [] -%}
    {%- for date in query_to_list(query) -%}
        {%- do dates.append("date '" ~ date ~ "'") -%}
    {%- endfor -%}
    {{ return(dates) }}
{%- endmacro %}

{% macro query_to_date_ranges(query) -%}
    {%- set ranges_query -%}
    select
        cast(min(action_date) as {{ dbt.type_string() }}) as first_date,
        cast(max(action_date) as {{ dbt.type_string() }}) as last_date
    from (
        select
            action_date,
            {{ dbt.datediff("date '2000-01-01'", 'action_date', 'day') }} - row_number() over (order by action_date)
                as range_number
        from ({{ query }}) as dates
    ) as numbered_dates
    group by range_number
    {%- endset -%}
    {%- set date_ranges = [] -%}
    {%- for row in run_query(ranges_query).rows -%}
        {%- do date_ranges.append(["date '" ~ row[0] ~ "'", "date '" ~ row[1] ~ "'"]) -%}
    {%- endfor -%}
    {{ return(date_ranges) }}
{%- endmacro %}
