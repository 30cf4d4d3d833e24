{#- The value in the type, or null where it does not fit. dbt.safe_cast is a plain cast in the DuckDB adapter, which fails. -#}
{% macro cast_or_null(expression, type) -%}
    {{ return(adapter.dispatch('cast_or_null')(expression, type)) }}
{%- endmacro %}

{% macro default__cast_or_null(expression, type) -%}
    {{ dbt.safe_cast(expression, type) }}
{%- endmacro %}

{% macro duckdb__cast_or_null(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}

{#- Text as a number that a price or a quantity can be, written as the feed declares it; null when it is none. NaN sorts
    above every number, so the upper bound catches it too. -#}
{% macro parse_number(column, feed_column, feeds) -%}
    {%- set number = cast_or_null(normalize_decimal_mark(column, feed_column, feeds), type_double()) -%}
    case when {{ number }} between -1e10 and 1e10 then {{ number }} end
{%- endmacro %}

{#- The text of a number with a point before its decimals and nothing between its thousands. Where a feed declares a decimal
    comma, points part thousands if they can, which is groups of three digits after a first one that does not begin with zero.
    A point that cannot stands before decimals in a text without a comma, as JSON writes them, and makes no number of one with a
    comma. -#}
{% macro normalize_decimal_mark(column, feed_column, feeds) -%}
    {%- set comma_feeds = [] -%}
    {%- for feed in feeds if feed.decimal_mark == ',' -%}
        {%- do comma_feeds.append(quote(feed.feed)) -%}
    {%- endfor -%}
    {%- if comma_feeds -%}
    {%- set with_parted_thousands = '^[-+]?[1-9][0-9]{0,2}([.][0-9]{3})+(,[0-9]*)?$' -%}
    case
        when {{ feed_column }} not in ({{ comma_feeds | join(', ') }}) then {{ column }}
        when regexp_replace({{ column }}, '{{ with_parted_thousands }}', '') = ''
            then replace(replace({{ column }}, '.', ''), ',', '.')
        when {{ column }} not like '%.%' then replace({{ column }}, ',', '.')
        when {{ column }} not like '%,%' then {{ column }}
    end
    {%- else -%}
    {{ column }}
    {%- endif -%}
{%- endmacro %}

{#- A clean text as true or false; null when it says neither. -#}
{% macro parse_boolean(column) -%}
    case
        when lower({{ column }}) in ('true', 't', 'yes', 'y', '1', 'available', 'in_stock') then true
        when lower({{ column }}) in ('false', 'f', 'no', 'n', '0', 'unavailable', 'out_of_stock') then false
    end
{%- endmacro %}

{% macro type_double() -%}
    {{ return(adapter.dispatch('type_double')()) }}
{%- endmacro %}

{% macro default__type_double() -%}
    double
{%- endmacro %}

{#- The feeds of one kind as sources.yml declares them: a list of dicts with feed, time_zone, timestamp_formats
    and decimal_mark. -#}
{% macro declared_feeds(kind) %}
    {% if not execute %}
        {{ return([]) }}
    {% endif %}
    {% do require_raw_tables() %}
    {% set feeds = [] %}
    {% set query %}
        select feed, time_zone, timestamp_formats, decimal_mark
        from {{ source('raw', 'feeds') }}
        where kind = {{ quote(kind) }}
        order by feed
    {% endset %}
    {% for row in run_query(query).rows %}
        {#- dbt hands a list over as JSON. -#}
        {% do feeds.append({'feed': row[0], 'time_zone': row[1], 'timestamp_formats': fromjson(row[2]), 'decimal_mark': row[3]}) %}
    {% endfor %}
    {{ return(feeds) }}
{% endmacro %}

{#- A clean text as a UTC timestamp by the formats of the feed that the row came from, tried in order; null when none fits.
    Engines want the formats as constants, hence one branch for each feed. -#}
{% macro parse_timestamp(column, feed_column, feeds) -%}
    case
        when {{ column }} is null then cast(null as {{ dbt.type_timestamp() }})
        {%- for feed in feeds %}
        when {{ feed_column }} = {{ quote(feed.feed) }} then coalesce(
            {%- for format in feed.timestamp_formats %}
            {%- set instant = parse_timestamp_as(column, format, feed.time_zone) %}
            {{ instant if loop.last else null_if_before_year_1000(instant) }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
        {%- endfor %}
    end
{%- endmacro %}

{#- The timestamp, or null when it can only be a mistake. One row from the future would move 'now' there, where every
    older action has decayed to nothing; a day is left for clocks that are fast and zones that are declared wrongly. The
    measure is when the file was loaded, not the clock of the build: a row means the same in every build. -#}
{% macro plausible_timestamp(column, loaded_at) -%}
    case
        when {{ column }} < timestamp '1990-01-01' or {{ column }} > {{ dbt.dateadd('day', 1, loaded_at) }} then null
        else {{ column }}
    end
{%- endmacro %}

{#- The timestamp, or null where the year is one of the first thousand, which is how 10/1/26 is read by a format that it does not
    have: the next one may fit. -#}
{% macro null_if_before_year_1000(column) -%}
    case when {{ column }} >= timestamp '1000-01-01' then {{ column }} end
{%- endmacro %}

{#- Text as a UTC timestamp by one format: 'iso', 'epoch_s', 'epoch_ms' or strptime's letters. A time without an offset
    is local to the time zone. -#}
{% macro parse_timestamp_as(text, format, time_zone) -%}
    {{ return(adapter.dispatch('parse_timestamp_as')(text, format, time_zone)) }}
{%- endmacro %}

{% macro duckdb__parse_timestamp_as(text, format, time_zone) -%}
    {%- set local_to_utc = "at time zone " ~ quote(time_zone) ~ " at time zone 'UTC'" -%}
    {%- if format == 'iso' -%}
        {#- Years of five digits and more come to nothing anyway, and in the last of them DuckDB's cast fails. By way of the
            number of microseconds: `at time zone` asks a calendar and takes four times as long. #}
        {%- set named_zone = "regexp_matches(substring(" ~ text ~ ", 12), '[A-Ya-y]')" -%}
        {%- set ends_with_z = "suffix(" ~ text ~ ", 'Z')" -%}
        {%- set text = "case when substring(" ~ text ~ ", 5, 1) not between '0' and '9' then " ~ text ~ " end" -%}
        {%- set instant -%}
        make_timestamp(epoch_us(coalesce(
            try_cast({{ text }} as timestamptz),
            try_cast(regexp_replace({{ text }}, ' +([-+][0-9:]+)$', '\1') as timestamptz)
        )))
        {%- endset -%}
        {%- if time_zone == 'UTC' -%}
        {#- Apart: DuckDB's cast takes a text without a zone to be in the one that the text before it named. #}
        case
            when {{ ends_with_z }} then {{ instant }}
            when {{ named_zone }} then {{ instant }}
            else {{ instant }}
        end
        {%- else -%}
        {#- DuckDB's cast to a plain timestamp drops an offset silently, so what names one goes the other way. -#}
        case
            when regexp_matches({{ text }}, ':[0-9.]+ *[-+a-zA-Z]') then {{ instant }}
            else try_cast({{ text }} as timestamp) {{ local_to_utc }}
        end
        {%- endif -%}
    {%- elif format in ('epoch_s', 'epoch_ms') -%}
        {%- set seconds = 'try_cast(' ~ text ~ ' as double)' ~ (' / 1000' if format == 'epoch_ms' else '') -%}
        {#- From 1990 to 2100: what lies outside is in the other unit. #}
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

{#- A text as an SQL constant. -#}
{% macro quote(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}
