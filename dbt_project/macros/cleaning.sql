{#- Null words of numbers, times and devices are looked for where a text was not understood, which is rare. Only a word
    with a digit, such as -1, could be understood. Ids are cleaned in the rows that have an unusual one. -#}
{% macro cleaned_rows(raw, columns, feeds) -%}
    {%- set ids = columns | select('in', [
        'user_id', 'product_id', 'transaction_id', 'session_id', 'event_id',
    ]) | list -%}
    {%- set typed_columns = [
        'event_at', 'purchased_at', 'updated_at', 'device', 'quantity', 'price', 'line_total', 'popularity_score',
    ] -%}
    {%- set locations = '_extra, _feed, _file, _line, _load_id' -%}
    select
        {% for column in columns -%}
        {%- set text = null_if_word(column, column, feeds, with_digits_only=column in typed_columns) -%}
        {%- if column in ids and text != column -%}
        case when has_unusual_id then {{ text }} else {{ column }} end as {{ column }},
        {% else -%}
        {{ text }} as {{ column }},
        {% endif -%}
        {% endfor -%}
        has_unusual_id,
        {{ locations }}
    from (
        select
            {% for column in columns -%}
            {%- if column in ids -%}
            case
                when has_unusual_id then {{ clean_id(column, feeds_with_decimals(column, feeds)) }}
                else {{ column }}
            end as {{ column }},
            {% else -%}
            {{ column }},
            {% endif -%}
            {% endfor -%}
            has_unusual_id,
            {{ locations }}
        from (
            select
                {% for column in columns -%}
                {{ column if column in ids else clean_text(column) ~ ' as ' ~ column }},
                {% endfor -%}
                {{ is_any_id_unusual(ids, feeds) }} as has_unusual_id,
                {{ locations }}
            from {{ raw }}
        ) as trimmed
    ) as with_clean_ids
{%- endmacro %}

{% macro is_any_id_unusual(columns, feeds) -%}
    {{ return(adapter.dispatch('is_any_id_unusual')(columns, feeds)) }}
{%- endmacro %}

{% macro default__is_any_id_unusual(columns, feeds) -%}
    true
{%- endmacro %}

{#- A usual id begins with a digit or a letter, ends with a digit and is no null word. Finding the other ids costs 25 ms
    of processor time per million values; cleaning all of them would cost 90, and regular expressions 400. -#}
{% macro duckdb__is_any_id_unusual(columns, feeds) -%}
    case
        when
            {%- for column in columns %}
            {%- set words = [] -%}
            {%- for feed in feeds -%}
                {%- for word in (feed.null_words or {}).get(column, []) if word[-1] in '0123456789' -%}
                    {%- do words.append(word) if word not in words -%}
                {%- endfor -%}
            {%- endfor %}
            ({{ column }} is null or (
                array_extract({{ column }}, -1) between '0' and '9'
                and (
                    {{ column }} between '0' and ':' or {{ column }} between 'A' and '['
                    or {{ column }} between 'a' and '{'
                )
                and not suffix({{ column }}, '.0')
                and not ({{ column }} < ':' and contains({{ column }}, '+'))
                and strlen({{ column }}) = length({{ column }})
                {%- if words | map('upper') | list != words | map('lower') | list %}
                and lower({{ column }}) not in ({{ quoted_list(words) }})
                {%- elif words %}
                and {{ column }} not in ({{ quoted_list(words) }})
                {%- endif %}
            )){{ ' and' if not loop.last }}
            {%- endfor %}
            then false
        else true
    end
{%- endmacro %}

{% macro feeds_with_decimals(column, feeds) -%}
    {%- set names = [] -%}
    {%- for feed in feeds if column in (feed.decimal_id_columns or []) -%}
        {%- do names.append(feed.feed) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{% macro null_if_word(text, column, feeds, with_digits_only=false) -%}
    {%- set feeds_by_words = {} -%}
    {%- for feed in feeds -%}
        {%- set words = [] -%}
        {%- for word in (feed.null_words or {}).get(column, []) -%}
            {%- if not with_digits_only or word | select('in', '0123456789') | list -%}
                {%- do words.append(word) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if words -%}
            {%- do feeds_by_words.setdefault(tojson(words), []).append(feed.feed) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if feeds_by_words -%}
    case
        {%- for words, names in feeds_by_words.items() %}
        when
            {%- if names | length < feeds | length %}
            _feed in ({{ quoted_list(names) }}) and
            {%- endif %}
            {{ is_word(text, fromjson(words)) }}
            then null
        {%- endfor %}
        else {{ text }}
    end
    {%- else -%}
    {{ text }}
    {%- endif -%}
{%- endmacro %}

{% macro is_word(text, words) -%}
    {{ return(adapter.dispatch('is_word')(text, words)) }}
{%- endmacro %}

{% macro default__is_word(text, words) -%}
    lower({{ text }}) in ({{ quoted_list(words) }})
{%- endmacro %}

{#- The length in bytes is known without reading the text. A letter in another casing can have up to three times the
    bytes. -#}
{% macro duckdb__is_word(text, words) -%}
    {%- set max_bytes = [] -%}
    {%- for word in words -%}
        {%- set byte_count = word.encode() | length -%}
        {%- do max_bytes.append(byte_count if byte_count == word | length else 3 * byte_count) -%}
    {%- endfor -%}
    strlen({{ text }}) <= {{ max_bytes | max }} and lower({{ text }}) in ({{ quoted_list(words) }})
{%- endmacro %}

{% macro clean_id(column, decimal_feeds=[]) -%}
    {{ return(adapter.dispatch('clean_id')(column, decimal_feeds)) }}
{%- endmacro %}

{% macro default__clean_id(column, decimal_feeds=[]) -%}
    {{ without_decimals(clean_text(column), decimal_feeds) }}
{%- endmacro %}

{#- The regular expressions cost 1 us per value, so that ids without unusual characters skip them. -#}
{% macro duckdb__clean_id(column, decimal_feeds=[]) -%}
    {%- set trimmed = trim_blanks("nfc_normalize(" ~ column ~ ")") -%}
    {%- set unquoted = "regexp_replace(" ~ trimmed ~ ", '^=?\"([^\"]*)\"$', '\\1')" -%}
    {%- set without_apostrophe = "regexp_replace(" ~ unquoted ~ ", '^''([0-9](?:.*[^''])?)$', '\\1')" -%}
    case
        when
            {{ column }} < '0'
            or ({{ column }} > ':' and {{ column }} < 'A')
            or ({{ column }} > '[' and {{ column }} < 'a')
            or {{ column }} > '{'
            or strlen({{ column }}) > length({{ column }})
            {%- for ending in [' ', '\\t', '\\r', '\\n', '.0'] %}
            or suffix({{ column }}, e'{{ ending }}')
            {%- endfor %}
            then nullif({{ without_decimals(trim_blanks(without_apostrophe), decimal_feeds) }}, '')
        else {{ column }}
    end
{%- endmacro %}

{% macro without_decimals(id, decimal_feeds) -%}
    {%- set whole_number = "regexp_replace(" ~ id ~ ", '^(-?[0-9]+)[.]0$', '" ~ backreference(1) ~ "')" -%}
    {%- if decimal_feeds -%}
    case when _feed in ({{ quoted_list(decimal_feeds) }}) then {{ id }} else {{ whole_number }} end
    {%- else -%}
    {{ whole_number }}
    {%- endif -%}
{%- endmacro %}

{#- Includes no-break blanks, zero-width blanks and the byte order mark. -#}
{% macro trim_blanks(text) -%}
    {{ return(adapter.dispatch('trim_blanks')(text)) }}
{%- endmacro %}

{% macro default__trim_blanks(text) -%}
    trim({{ text }})
{%- endmacro %}

{% macro duckdb__trim_blanks(text) -%}
    {%- set blanks = '[\\p{Z}\\p{Cc}\\p{Cf}]+' -%}
    regexp_replace({{ text }}, '^{{ blanks }}|{{ blanks }}$', '', 'g')
{%- endmacro %}

{#- An explicit plus distinguishes a number from an article code such as 12E5. -#}
{% macro is_rounded_id(id) -%}
    {{ id }} < ':' and {{ id }} like '%+%' and regexp_replace({{ id }}, '^[-+]?[0-9]+([.,][0-9]+)?[eE][+][0-9]+$', '') = ''
{%- endmacro %}

{% macro is_nested(text) -%}
    {{ return(adapter.dispatch('is_nested')(text)) }}
{%- endmacro %}

{% macro default__is_nested(text) -%}
    {{ text }} like {{ "'{%}'" }} or {{ text }} like '[%]'
{%- endmacro %}

{% macro duckdb__is_nested(text) -%}
    (prefix({{ text }}, '{') or prefix({{ text }}, '[')) and json_valid({{ text }})
{%- endmacro %}

{#- Building the JSON object of every row would take longer than typing it. -#}
{% macro texts_to_keep(conditions) -%}
    {%- set texts = {} -%}
    {%- for column, condition in conditions.items() -%}
        {%- do texts.update({column: 'case when ' ~ condition ~ ' then ' ~ column ~ '_text end'}) -%}
    {%- endfor -%}
    case
        when ({{ conditions.values() | join(') or (') }})
            then {{ json_of_values(texts) }}
    end
{%- endmacro %}

{% macro unusual_ids(columns, check) -%}
    {%- set conditions = {} -%}
    {%- for column in columns -%}
        {%- do conditions.update({column: check(column ~ '_text')}) -%}
    {%- endfor -%}
    case when has_unusual_id then {{ texts_to_keep(conditions) }} end
{%- endmacro %}

{% macro id_or_null(column) -%}
    case
        when rounded_ids is null and nested_ids is null then {{ column }}_text
        when {{ is_rounded_id(column ~ '_text') }} then null
        when {{ is_nested(column ~ '_text') }} then null
        else {{ column }}_text
    end
{%- endmacro %}

{% macro text_or_null(column) -%}
    case when {{ is_nested(column ~ '_text') }} then null else {{ column }}_text end
{%- endmacro %}

{% macro unreadable_text(column, feeds, value=none) -%}
    case when {{ value or column }} is null then {{ null_if_word(column ~ '_text', column, feeds) }} end
{%- endmacro %}

{% macro has_unusual_id(column) -%}
    concat(rounded_ids, nested_ids) like '%"{{ column }}":%'
{%- endmacro %}
