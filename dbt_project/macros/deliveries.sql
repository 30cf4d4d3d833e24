{#- `recomart reload --date` uses the same pattern, in warehouse/loading/reloading.py. -#}
{% macro date_in_path(path) -%}
    {%- set month, day = '(0[1-9]|1[0-2])', '(0[1-9]|[12][0-9]|3[01])' -%}
    {%- set separator = '[-/_.]?([A-Za-z]+=)?' -%}
    {%- set time = '(([01][0-9]|2[0-3])[0-5][0-9]([0-5][0-9])?)?' -%}
    {#- The second alternative matches all other paths, because an engine's cast accepts more date formats than these. -#}
    {%- set pattern = '^(.*[^0-9])?((19|20)[0-9]{2})' ~ separator ~ month ~ separator ~ day ~ time ~ '([^0-9].*)?$|^.*$' -%}
    {%- set date = backreference(2) ~ '-' ~ backreference(5) ~ '-' ~ backreference(7) -%}
    {{ cast_or_null("regexp_replace(" ~ path ~ ", '" ~ pattern ~ "', '" ~ date ~ "')", 'date') }}
{%- endmacro %}

{#- Both dates come from the file and do not change when the warehouse is rebuilt. -#}
{% macro delivery_day(path, newest_row_at, loaded_at) -%}
    {%- set midnight = 'cast(' ~ date_in_path(path) ~ ' as ' ~ dbt.type_timestamp() ~ ')' -%}
    coalesce(cast({{ plausible_timestamp(midnight, loaded_at) }} as date), cast({{ newest_row_at }} as date))
{%- endmacro %}
