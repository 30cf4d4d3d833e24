{#- Grouping by the fingerprint is cheaper than by the columns. -#}
{% macro fingerprint(columns) -%}
    {{ return(adapter.dispatch('fingerprint')(columns)) }}
{%- endmacro %}

{% macro default__fingerprint(columns) -%}
    md5(concat(
        {%- for column in columns %}
        coalesce(cast({{ column }} as {{ dbt.type_string() }}), chr(30)){{ ', chr(31),' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{#- 128 bits: a hash of 64 bits times 2^64, plus another hash of 64 bits. The constant 'second' makes the hashes differ.
    This takes a sixth of the time of MD5. -#}
{% macro duckdb__fingerprint(columns) -%}
    hash({{ columns | join(', ') }}) * cast(18446744073709551616 as uhugeint) + hash('second', {{ columns | join(', ') }})
{%- endmacro %}

{#- `rows` is often a view; reading it twice is cheaper than storing its wide rows. -#}
{% macro duplicate_rows(rows, columns, feeds) -%}
{%- set is_keyed = is_declared(feeds, 'key') -%}
{%- set keeping_feeds = feed_names(feeds, 'keeps_duplicates') -%}
rows_with_fingerprint as (

    select
        rows._line,
        rows._load_id,
        file_loads.path,
        {{ fingerprint(
            ['file_loads.feed', json_sorted_by_key(json_without_nulls('rows._extra'))] + columns
        ) }} as fingerprint
    from {{ rows }} as rows
    inner join {{ ref('int_file_loads') }} as file_loads on rows._load_id = file_loads.load_id
    where
        not rows.is_excluded
        {%- if is_keyed %}
        and rows._key is null
        {%- endif %}
        {%- if keeping_feeds %}
        and file_loads.feed not in ({{ quoted_list(keeping_feeds) }})
        {%- endif %}

),

repeated_fingerprints as (

    select fingerprint from rows_with_fingerprint
    group by fingerprint
    having count(*) > 1

),

-- Numbers the copies of repeated rows only, because sorting all rows would take longer.
numbered_copies as (

    select
        rows_with_fingerprint._load_id,
        rows_with_fingerprint._line,
        row_number() over (
            partition by rows_with_fingerprint.fingerprint
            order by rows_with_fingerprint.path, rows_with_fingerprint._line
        ) as copy_number
    from rows_with_fingerprint
    inner join repeated_fingerprints on rows_with_fingerprint.fingerprint = repeated_fingerprints.fingerprint

),

{% if is_keyed -%}
{{ superseded_rows(rows, feeds) }},

{% endif -%}
duplicate_rows as (

    select _load_id, _line from numbered_copies
    where copy_number > 1
    {%- if is_keyed %}

    union all

    select _load_id, _line from superseded_rows
    {%- endif %}

)
{%- endmacro %}

{#- In an incremental build, the rows of outdated days are compared with the rows of all days: rows of one key can have
    different times. The rows of an unnested record have consecutive lines, so a line minus the number of the item is the
    same for all of them. -#}
{% macro superseded_rows(rows, feeds) -%}
{%- set numbered_feeds = feeds | selectattr('item_number', 'defined') | list -%}
{%- set columns = '_key, _load_id, _line' ~ (', _extra' if numbered_feeds else '') -%}
keyed_rows as (

    select {{ columns }} from {{ rows }}
    where _key is not null
    {%- if is_incremental() %}

    union all

    select {{ columns }} from {{ this }}
    where
        _row_date not in ({{ outdated_days(this) }})
        and _key in (select _key from {{ rows }})
    {%- endif %}

),

repeated_keys as (

    select _key from keyed_rows
    group by _key
    having count(*) > 1

),

keyed_rows_by_age as (

    select
        keyed_rows._load_id,
        keyed_rows._line,
        rank() over (
            partition by keyed_rows._key
            order by
                {{ natural_sort_key('file_loads.path') }} desc,
                file_loads.path desc,
                keyed_rows._line
                {%- if numbered_feeds %} - case file_loads.feed
                    {%- for feed in numbered_feeds %}
                    when {{ quote(feed.feed) }}
                        then cast({{ json_path_text('keyed_rows._extra', [feed.item_number]) }} as {{ dbt.type_int() }})
                    {%- endfor %}
                    else 0
                end
                {%- endif %} desc
        ) as age_rank
    from keyed_rows
    inner join repeated_keys on keyed_rows._key = repeated_keys._key
    inner join {{ ref('int_file_loads') }} as file_loads on keyed_rows._load_id = file_loads.load_id

),

superseded_rows as (

    select _load_id, _line from keyed_rows_by_age
    where age_rank > 1

)
{%- endmacro %}

{% macro broken_rules(rules) -%}
    nullif(concat_ws(';'
        {%- for name, is_broken in rules.items() | sort %},
        case when {{ is_broken }} then '{{ name }}' end
        {%- endfor %}
    ), '')
{%- endmacro %}

{% macro split_to_rows(column) -%}
    {{ return(adapter.dispatch('split_to_rows')(column)) }}
{%- endmacro %}

{% macro default__split_to_rows(column) -%}
    explode(split({{ column }}, ';'))
{%- endmacro %}

{% macro duckdb__split_to_rows(column) -%}
    unnest(string_split({{ column }}, ';'))
{%- endmacro %}

{% macro latest(column, order_column) -%}
    {{ return(adapter.dispatch('latest')(column, order_column)) }}
{%- endmacro %}

{% macro default__latest(column, order_column) -%}
    max_by({{ column }}, case when {{ column }} is not null then {{ order_column }} end)
{%- endmacro %}

{#- arg_max leaves out nulls; max_by of other engines does not. -#}
{% macro duckdb__latest(column, order_column) -%}
    arg_max({{ column }}, {{ order_column }})
{%- endmacro %}

{% macro rows_fingerprint(columns) -%}
    {{ return(adapter.dispatch('rows_fingerprint')(columns)) }}
{%- endmacro %}

{% macro default__rows_fingerprint(columns) -%}
    cast(sum(cast(xxhash64({{ columns | join(', ') }}) as decimal(38, 0))) as {{ dbt.type_string() }})
{%- endmacro %}

{% macro duckdb__rows_fingerprint(columns) -%}
    cast(sum(hash({{ columns | join(', ') }})) as varchar)
{%- endmacro %}

{% macro raw_row_json(raw, columns) -%}
    {{ return(adapter.dispatch('raw_row_json')(raw, columns)) }}
{%- endmacro %}

{% macro default__raw_row_json(raw, columns) -%}
    to_json(named_struct(
        {%- for column in columns + ['_extra'] %}
        '{{ column }}', {{ raw }}.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    ), map('ignoreNullFields', 'false'))
{%- endmacro %}

{% macro duckdb__raw_row_json(raw, columns) -%}
    cast(json_object(
        {%- for column in columns %}
        '{{ column }}', {{ raw }}.{{ column }},
        {%- endfor %}
        '_extra', try_cast({{ raw }}._extra as json)
    ) as varchar)
{%- endmacro %}
