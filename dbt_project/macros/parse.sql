{#- NaN sorts above all numbers, so the upper bound rejects it too. -#}
{% macro parse_number(column, feed_column, feeds, is_price=false) -%}
    {%- if not mapped_columns([column.split('.') | last], feeds) -%}
    cast(null as {{ type_double() }})
    {%- else -%}
    {%- set usual = cast_or_null(normalize_decimal_mark(column, feed_column, feeds), type_double()) -%}
    {%- set unusual = cast_or_null(unusual_number(column, feed_column, feeds, is_price), type_double()) -%}
    case
        when {{ column }} is null then null
        when {{ usual }} between -1e10 and 1e10 then {{ usual }}
        when {{ usual }} is null then case when {{ unusual }} between -1e10 and 1e10 then {{ unusual }} end
    end
    {%- endif -%}
{%- endmacro %}

{% macro normalize_decimal_mark(column, feed_column, feeds) -%}
    {%- set comma_feeds = feeds | selectattr('decimal_mark', 'equalto', ',') | map(attribute='feed') | list -%}
    {%- if comma_feeds -%}
    {%- set thousands_pattern = '^[-+]?[1-9][0-9]{0,2}([.][0-9]{3})+(,[0-9]*)?$' -%}
    case
        when {{ feed_column }} not in ({{ quoted_list(comma_feeds) }}) then {{ column }}
        when regexp_replace({{ column }}, '{{ thousands_pattern }}', '') = ''
            then replace(replace({{ column }}, '.', ''), ',', '.')
        when {{ column }} not like '%.%' then replace({{ column }}, ',', '.')
        when {{ column }} not like '%,%' then {{ column }}
    end
    {%- else -%}
    {{ column }}
    {%- endif -%}
{%- endmacro %}

{% macro declared_feeds(kind) %}
    {% if not execute %}
        {{ return([]) }}
    {% endif %}
    {% do require_raw_tables() %}
    {% set feeds = [] %}
    {% set query %}
        select feed, joined_to, settings
        from {{ source('raw', 'feeds') }}
        where kind = {{ quote(kind) }}
        order by feed
    {% endset %}
    {% for row in run_query(query).rows %}
        {% do feeds.append(dict(fromjson(row[2]), feed=row[0], joined_to=row[1])) %}
    {% endfor %}
    {{ return(feeds) }}
{% endmacro %}

{#- The views have the settings of the feeds in their SQL. By the comment, a run finds views of other settings
    (warehouse/erasure/retention.py). -#}
{% macro store_feed_settings() -%}
    {%- if execute and model.config.materialized == 'view' -%}
        {%- set query -%}
        select {{ feed_settings_hash() }} from {{ source('raw', 'feeds') }}
        {%- endset -%}
        comment on view {{ this }} is 'feed_settings {{ run_query(query).rows[0][0] }}'
    {%- endif -%}
{%- endmacro %}

{% macro feed_settings_hash() -%}
    md5(string_agg(concat_ws(' ', feed, joined_to, settings), chr(10) order by feed))
{%- endmacro %}
