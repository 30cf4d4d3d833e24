{#- Formats must be constants, so the expression has one branch per feed. -#}
{% macro parse_timestamp(column, feed_column, feeds) -%}
    case
        when {{ column }} is null then cast(null as {{ dbt.type_timestamp() }})
        {%- for feed in feeds %}
        when {{ feed_column }} = {{ quote(feed.feed) }} then coalesce(
            {%- for format in feed.timestamp_formats %}
            {%- set timestamp = parse_timestamp_as(column, format, feed.time_zone, feed.zone_offsets or {}) %}
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

{% macro parse_timestamp_as(text, format, time_zone, zone_offsets={}) -%}
    {{ return(adapter.dispatch('parse_timestamp_as')(text, format, time_zone, zone_offsets)) }}
{%- endmacro %}

{% macro duckdb__parse_timestamp_as(text, format, time_zone, zone_offsets={}) -%}
    {%- set epoch_units = {'epoch_s': '1e0', 'epoch_ms': '1e3', 'epoch_us': '1e6', 'epoch_ns': '1e9'} -%}
    {%- if format == 'iso' -%}
        coalesce(
            {{ duckdb__usual_iso_timestamp(text, time_zone) }},
            {{ duckdb__zoned_timestamp(duckdb__normalized_iso_text(text, time_zone, zone_offsets)) }}
        )
    {%- elif format in epoch_units -%}
        {%- set seconds = 'try_cast(' ~ text ~ ' as double) / ' ~ epoch_units[format] -%}
        {#- From 1990 to 2100; a number outside this range is in another unit. A spreadsheet has rounded a number in
            scientific notation by minutes. #}
        case
            when {{ seconds }} between 631152000 and 4102444800 and not contains(lower({{ text }}), 'e')
                then make_timestamp(cast({{ seconds }} * 1000000 as bigint))
        end
    {%- elif '%Z' in format -%}
        {{ duckdb__timestamp_with_zone_name(text, format, zone_offsets) }}
    {%- elif '%z' in format -%}
        coalesce(
            try_strptime({{ text }}, {{ quote(format) }}),
            try_strptime(regexp_replace({{ text }}, '[Zz]$', '+0000'), {{ quote(format) }})
        ) at time zone 'UTC'
    {%- elif format.endswith('Z') or format.endswith('UTC') or format.endswith('GMT') -%}
        try_strptime({{ text }}, {{ quote(format) }})
    {%- else -%}
        try_strptime({{ text }}, {{ quote(format) }})
            at time zone {{ quote(time_zone) }} at time zone 'UTC'
    {%- endif -%}
{%- endmacro %}

{#- Texts with a year of five or more digits become null: DuckDB's cast fails in the last such year, and the year is
    implausible. The conversion uses microseconds, because `at time zone` takes four times as long. -#}
{% macro duckdb__zoned_timestamp(text) -%}
    make_timestamp(epoch_us(try_cast({{ text }} as timestamptz)))
{%- endmacro %}

{#- The forms that DuckDB's cast reads correctly. Other letters than those of UTC are left to duckdb__normalized_iso_text:
    DuckDB reads BST as the time of Bangladesh. It reads a second time of day as a zone. -#}
{% macro duckdb__usual_iso_timestamp(text, time_zone) -%}
    {%- set valid_text = "case when substring(" ~ text ~ ", 5, 1) not between '0' and '9' then " ~ text ~ " end" -%}
    {%- set timestamp -%}
    coalesce(
        {{ duckdb__zoned_timestamp(valid_text) }},
        {{ duckdb__zoned_timestamp("regexp_replace(" ~ valid_text ~ ", ' +([-+][0-9:]+)$', '\\1')") }}
    )
    {%- endset -%}
    {%- set is_utc = "suffix(" ~ text ~ ", 'Z') or suffix(" ~ text ~ ", ' UTC') or suffix(" ~ text ~ ", ' GMT')" -%}
    {#- Separate branches, because DuckDB's cast gives a text without a zone the zone of the text before it. -#}
    case
        when {{ is_utc }} then {{ timestamp }}
        when regexp_matches(substring({{ text }}, 12), '[A-Za-z]| [0-9]') then null
        {%- if time_zone == 'UTC' %}
        else {{ timestamp }}
        {%- else %}
        {#- DuckDB's cast to a plain timestamp ignores an offset, so a text with an offset is cast to timestamptz. #}
        when regexp_matches({{ text }}, ':[0-9.]+ *[-+]') then {{ timestamp }}
        else try_cast({{ valid_text }} as timestamp) at time zone {{ quote(time_zone) }} at time zone 'UTC'
        {%- endif %}
    end
{%- endmacro %}

{#- Writes the other forms of ISO 8601 as DuckDB's cast reads them, with a zone behind the time. -#}
{% macro duckdb__normalized_iso_text(text, time_zone, zone_offsets) -%}
    {%- set steps = [
        ['([Zz]|[-+][0-9:]+)\\[[^\\]]+\\]$', '\\1'],
        ['\\[([A-Za-z_]+/[^\\]]+)\\]$', ' \\1'],
        ['^([0-9]{4})([0-9]{2})([0-9]{2})($|[Tt ])', '\\1-\\2-\\3\\4'],
        ['^([0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2})[Tt ]+', '\\1 '],
        ['^([^ ]+ [0-9]{2})([0-9]{2})([0-9]{2})($|[^0-9:])', '\\1:\\2:\\3\\4'],
        ['^([^ ]+ [0-9]{2})([0-9]{2})($|[^0-9:])', '\\1:\\2\\3'],
        ['^([0-9]{4}[^ ]+ [0-9]{2})($|[^0-9:])', '\\1:00\\2'],
        ['(:[0-9]{2}),([0-9]+)', '\\1.\\2'],
        [' *[Zz]$', '+00:00'],
        ['(?i) *(?:utc|gmt)?([-+])([0-9])$', '\\10\\2'],
        ['(?i)(:[0-9.]+) *(?:utc|gmt)?([-+][0-9])', '\\1\\2'],
    ] -%}
    {%- set abbreviations = {} -%}
    {%- for abbreviation, offset in zone_offsets.items() -%}
        {%- do abbreviations.setdefault(offset, []).append(abbreviation) -%}
    {%- endfor -%}
    {%- for offset, names in abbreviations.items() -%}
        {%- do steps.append(['(?i)([0-9]) *(?:' ~ names | join('|') ~ ')$', '\\1' ~ offset]) -%}
    {%- endfor -%}
    {#- An abbreviation without an offset, a year of more than four digits, and a second time of day. #}
    {%- do steps.append(['^.*[0-9] *[A-Za-z]+$|^[0-9]{5,}.*$|^.*:[0-9.]+ +[0-9].*$', '']) -%}
    {%- set date = '[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}' -%}
    {%- do steps.append(['^(' ~ date ~ ')$', '\\1 00:00:00']) -%}
    {%- do steps.append(['^(' ~ date ~ ' [0-9:.]+)$', '\\1 ' ~ time_zone]) -%}
    {%- set normalized = namespace(text=trim_blanks(text)) -%}
    {%- for pattern, replacement in steps -%}
        {%- set normalized.text = "regexp_replace(" ~ normalized.text ~ ", '" ~ pattern ~ "', '" ~ replacement ~ "')" -%}
    {%- endfor -%}
    {{ normalized.text }}
{%- endmacro %}

{#- An abbreviation is replaced by its offset. Without one, the text must have the full name of a zone. -#}
{% macro duckdb__timestamp_with_zone_name(text, format, zone_offsets) -%}
    {%- set abbreviation -%}
    upper(regexp_extract({{ text }}, '(?i)\b({{ zone_offsets | join('|') or 'UTC' }})\b', 1))
    {%- endset -%}
    {%- set offset -%}
    case {{ abbreviation }}
        {%- for name, offset in zone_offsets.items() %}
        when '{{ name }}' then '{{ offset }}'
        {%- endfor %}
        else '+00:00'
    end
    {%- endset -%}
    case
        when {{ abbreviation }} != '' then try_strptime(
            regexp_replace({{ text }}, '(?i)\b' || {{ abbreviation }} || '\b', {{ offset }}),
            {{ quote(format | replace('%Z', '%z')) }}
        )
        when regexp_matches({{ text }}, '[A-Za-z]/[A-Za-z]') then try_strptime({{ text }}, {{ quote(format) }})
    end at time zone 'UTC'
{%- endmacro %}
