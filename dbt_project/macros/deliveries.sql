{#- The date that a path names last, as 2026-01-31, 20260131, 2026/01/31 or 2026_01_31; null when it names none. The last,
    because a file's own name says more than the folder it lies in. -#}
{% macro date_in_path(path) -%}
    {%- set pattern = '^(.*[^0-9])?((19|20)[0-9]{2})[-/_]?([0-9]{2})[-/_]?([0-9]{2})([^0-9].*)?$' -%}
    {%- set date = backreference(2) ~ '-' ~ backreference(4) ~ '-' ~ backreference(5) -%}
    {{ dbt.safe_cast("regexp_replace(" ~ path ~ ", '" ~ pattern ~ "', '" ~ date ~ "')", 'date') }}
{%- endmacro %}

{#- The day that a file is about: the date in its path, unless that lies after the file was read, else the date of its
    newest row; null when it has neither. Both stand in the file itself and survive a rebuild. -#}
{% macro delivery_day(path, newest_row_at, read_at) -%}
    {%- set midnight = 'cast(' ~ date_in_path(path) ~ ' as ' ~ dbt.type_timestamp() ~ ')' -%}
    coalesce(cast({{ plausible_timestamp(midnight, read_at) }} as date), cast({{ newest_row_at }} as date))
{%- endmacro %}

{#- One row for each day from the first to the last, as an expression of a select list. -#}
{% macro each_day(first_day, last_day) -%}
    {{ return(adapter.dispatch('each_day')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__each_day(first_day, last_day) -%}
    explode(sequence({{ first_day }}, {{ last_day }}, interval 1 day))
{%- endmacro %}

{% macro duckdb__each_day(first_day, last_day) -%}
    cast(unnest(generate_series({{ first_day }}, {{ last_day }}, interval 1 day)) as date)
{%- endmacro %}
