{#- The date that a path names last, as 2026-01-31, 20260131, 2026/01/31, 2026_01_31, 2026.01.31 or
    year=2026/month=01/day=31, a time after it or not (20260131235959); null when it names none. The last, because a file's
    own name says more than the folder it lies in. `recomart reload --date` has the same pattern, in
    warehouse/loading/reloading.py. -#}
{% macro date_in_path(path) -%}
    {%- set month, day = '(0[1-9]|1[0-2])', '(0[1-9]|[12][0-9]|3[01])' -%}
    {%- set gap = '[-/_.]?([A-Za-z]+=)?' -%}
    {%- set time = '(([01][0-9]|2[0-3])[0-5][0-9]([0-5][0-9])?)?' -%}
    {#- The second half takes every other path: engines read dates in more texts than these. -#}
    {%- set pattern = '^(.*[^0-9])?((19|20)[0-9]{2})' ~ gap ~ month ~ gap ~ day ~ time ~ '([^0-9].*)?$|^.*$' -%}
    {%- set date = backreference(2) ~ '-' ~ backreference(5) ~ '-' ~ backreference(7) -%}
    {{ cast_or_null("regexp_replace(" ~ path ~ ", '" ~ pattern ~ "', '" ~ date ~ "')", 'date') }}
{%- endmacro %}

{#- The day that a file is about: the date in its path, unless that lies after the file was read, else the date of its
    newest row; null when it has neither. Both stand in the file itself and survive a rebuild. -#}
{% macro delivery_day(path, newest_row_at, read_at) -%}
    {%- set midnight = 'cast(' ~ date_in_path(path) ~ ' as ' ~ dbt.type_timestamp() ~ ')' -%}
    coalesce(cast({{ plausible_timestamp(midnight, read_at) }} as date), cast({{ newest_row_at }} as date))
{%- endmacro %}

{#- One row for each day from the first to the last, as an expression of a select list. -#}
{% macro date_series(first_date, last_date) -%}
    {{ return(adapter.dispatch('date_series')(first_date, last_date)) }}
{%- endmacro %}

{% macro default__date_series(first_date, last_date) -%}
    explode(sequence({{ first_date }}, {{ last_date }}, interval 1 day))
{%- endmacro %}

{% macro duckdb__date_series(first_date, last_date) -%}
    cast(unnest(generate_series({{ first_date }}, {{ last_date }}, interval 1 day)) as date)
{%- endmacro %}
