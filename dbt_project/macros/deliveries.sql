{#- Last date in a path, as 2026-01-31, 20260131, 2026/01/31, 2026_01_31, 2026.01.31 or year=2026/month=01/day=31, with or
    without a time after it (20260131235959); null without a date. The file name takes precedence over its folders, so the
    last date counts. `recomart reload --date` uses the same pattern, in warehouse/loading/reloading.py. -#}
{% macro date_in_path(path) -%}
    {%- set month, day = '(0[1-9]|1[0-2])', '(0[1-9]|[12][0-9]|3[01])' -%}
    {%- set separator = '[-/_.]?([A-Za-z]+=)?' -%}
    {%- set time = '(([01][0-9]|2[0-3])[0-5][0-9]([0-5][0-9])?)?' -%}
    {#- The second alternative matches all other paths, because an engine's cast accepts more date formats than these. -#}
    {%- set pattern = '^(.*[^0-9])?((19|20)[0-9]{2})' ~ separator ~ month ~ separator ~ day ~ time ~ '([^0-9].*)?$|^.*$' -%}
    {%- set date = backreference(2) ~ '-' ~ backreference(5) ~ '-' ~ backreference(7) -%}
    {{ cast_or_null("regexp_replace(" ~ path ~ ", '" ~ pattern ~ "', '" ~ date ~ "')", 'date') }}
{%- endmacro %}

{#- Day that a file is about: the date in its path, unless that is later than the load, else the date of its newest row;
    null when there is neither. Both come from the file and do not change when the warehouse is rebuilt. -#}
{% macro delivery_day(path, newest_row_at, loaded_at) -%}
    {%- set midnight = 'cast(' ~ date_in_path(path) ~ ' as ' ~ dbt.type_timestamp() ~ ')' -%}
    coalesce(cast({{ plausible_timestamp(midnight, loaded_at) }} as date), cast({{ newest_row_at }} as date))
{%- endmacro %}

{#- One row per day from the first to the last, as an expression of a select list. -#}
{% macro date_series(first_date, last_date) -%}
    {{ return(adapter.dispatch('date_series')(first_date, last_date)) }}
{%- endmacro %}

{% macro default__date_series(first_date, last_date) -%}
    explode(sequence({{ first_date }}, {{ last_date }}, interval 1 day))
{%- endmacro %}

{% macro duckdb__date_series(first_date, last_date) -%}
    cast(unnest(generate_series({{ first_date }}, {{ last_date }}, interval 1 day)) as date)
{%- endmacro %}
