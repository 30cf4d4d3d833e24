{#- NaN sorts above all numbers, so the upper bound rejects it too. -#}
{% macro parse_number(column, feed_column, feeds) -%}
    {%- set number = cast_or_null(normalize_decimal_mark(column, feed_column, feeds), type_double()) -%}
    case when {{ number }} between -1e10 and 1e10 then {{ number }} end
{%- endmacro %}

{% macro normalize_decimal_mark(column, feed_column, feeds) -%}
    {%- set comma_feeds = [] -%}
    {%- for feed in feeds if feed.decimal_mark == ',' -%}
        {%- do comma_feeds.append(quote(feed.feed)) -%}
    {%- endfor -%}
    {%- if comma_feeds -%}
    {%- set thousands_pattern = '^[-+]?[1-9][0-9]{0,2}([.][0-9]{3})+(,[0-9]*)?$' -%}
    case
        when {{ feed_column }} not in ({{ comma_feeds | join(', ') }}) then {{ column }}
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

{#- Formats must be constants, so the expression has one branch per feed. -#}
{% macro parse_timestamp(column, feed_column, feeds) -%}
    case
        when {{ column }} is null then cast(null as {{ dbt.type_timestamp() }})
        {%- for feed in feeds %}
        when {{ feed_column }} = {{ quote(feed.feed) }} then coalesce(
            {%- for format in feed.timestamp_formats %}
            {%- set timestamp = parse_timestamp_as(column, format, feed.time_zone) %}
            {%- if loop.last %}
            {{ timestamp }}
            {%- else %}
            {#- A wrong format parses 10/1/26 as a year before 1000; the next format may fit. #}
            case when {{ timestamp }} >= timestamp '1000-01-01' then {{ timestamp }} end,
            {%- endif %}
            {%- endfor %}
        )
        {%- endfor %}
    end
{%- endmacro %}

{#- A single later row would move cutoff 'now' into the future, where all other actions have decayed. The day allows for
    fast clocks and wrongly declared time zones. The limit is the time of the load and not of the build, so that a row
    has the same value in every build. -#}
{% macro plausible_timestamp(column, loaded_at) -%}
    case
        when {{ column }} < timestamp '1990-01-01' or {{ column }} > {{ dbt.dateadd('day', 1, loaded_at) }} then null
        else {{ column }}
    end
{%- endmacro %}

{% macro parse_timestamp_as(text, format, time_zone) -%}
    {{ return(adapter.dispatch('parse_timestamp_as')(text, format, time_zone)) }}
{%- endmacro %}

{% macro duckdb__parse_timestamp_as(text, format, time_zone) -%}
    {%- set local_to_utc = "at time zone " ~ quote(time_zone) ~ " at time zone 'UTC'" -%}
    {%- if format == 'iso' -%}
        {#- Texts with a year of five or more digits become null: DuckDB's cast fails in the last such year, and the year is
            implausible. The conversion uses microseconds, because `at time zone` takes four times as long. #}
        {%- set named_zone = "regexp_matches(substring(" ~ text ~ ", 12), '[A-Ya-y]')" -%}
        {%- set ends_with_z = "suffix(" ~ text ~ ", 'Z')" -%}
        {%- set text = "case when substring(" ~ text ~ ", 5, 1) not between '0' and '9' then " ~ text ~ " end" -%}
        {%- set timestamp -%}
        make_timestamp(epoch_us(coalesce(
            try_cast({{ text }} as timestamptz),
            try_cast(regexp_replace({{ text }}, ' +([-+][0-9:]+)$', '\1') as timestamptz)
        )))
        {%- endset -%}
        {%- if time_zone == 'UTC' -%}
        {#- Separate branches, because DuckDB's cast gives a text without a zone the zone of the text before it. #}
        case
            when {{ ends_with_z }} then {{ timestamp }}
            when {{ named_zone }} then {{ timestamp }}
            else {{ timestamp }}
        end
        {%- else -%}
        {#- DuckDB's cast to a plain timestamp ignores an offset, so a text with an offset is cast to timestamptz. -#}
        case
            when regexp_matches({{ text }}, ':[0-9.]+ *[-+a-zA-Z]') then {{ timestamp }}
            else try_cast({{ text }} as timestamp) {{ local_to_utc }}
        end
        {%- endif -%}
    {%- elif format in ('epoch_s', 'epoch_ms') -%}
        {%- set seconds = 'try_cast(' ~ text ~ ' as double)' ~ (' / 1000' if format == 'epoch_ms' else '') -%}
        {#- From 1990 to 2100; a number outside this range is in the other unit. #}
        case
            when {{ seconds }} between 631152000 and 4102444800
                then make_timestamp(cast({{ seconds }} * 1000000 as bigint))
        end
    {%- elif '%z' in format | lower -%}
        try_strptime({{ text }}, {{ quote(format) }}) at time zone 'UTC'
    {%- else -%}
        try_strptime({{ text }}, {{ quote(format) }}) {{ local_to_utc }}
    {%- endif -%}
{%- endmacro %}
