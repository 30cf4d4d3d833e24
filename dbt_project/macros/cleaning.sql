{#- Null words of numbers, times and devices are looked for where a text was not understood, which is rare. Only a word
    with a digit, such as -1, could be understood. Joins, conditions and filling down need all of them. A column that no
    feed maps is null and costs nothing. -#}
{% macro cleaned_rows(raw, columns, feeds) -%}
    {%- set mapped = mapped_columns(columns, feeds) -%}
    {%- set ids = mapped | select('in', [
        'user_id', 'product_id', 'transaction_id', 'session_id', 'event_id',
    ]) | list -%}
    {%- set typed_columns = [
        'event_at', 'purchased_at', 'updated_at', 'device', 'quantity', 'price', 'line_total', 'popularity_score',
    ] -%}
    {%- set feeds_that_read_texts = [] -%}
    {%- for feed in feeds if feed.join_key or feed.fill_down or feed.where or feed.leave_out or feed.is_return -%}
        {%- do feeds_that_read_texts.append(feed.feed) -%}
    {%- endfor -%}
    select
        {% for column in columns -%}
        {%- if column not in mapped -%}
        cast(null as {{ dbt.type_string() }}) as {{ column }},
        {% elif column in ids -%}
        case when has_unusual_id then {{ unusual_id(column, feeds) }} else {{ column }} end as {{ column }},
        {% else -%}
        {{ null_if_word(column, column, feeds, with_digits_only=column in typed_columns and not feeds_that_read_texts) }}
            as {{ column }},
        {% endif -%}
        {% endfor -%}
        {{ unusual_ids(ids, is_rounded_id) }} as rounded_ids,
        {{ unusual_ids(ids, is_nested) }} as nested_ids,
        _extra, _feed, _file, _line, _load_id
    from (
        select
            {% for column in mapped -%}
            {{ column if column in ids else clean_text(column) ~ ' as ' ~ column }},
            {% endfor -%}
            {{ is_any_id_unusual(ids, feeds) if ids else 'false' }} as has_unusual_id,
            _extra, _feed, _file, _line, _load_id
        from {{ raw }}
    ) as trimmed
{%- endmacro %}

{#- Unit tests declare feeds without columns; then all are mapped. -#}
{% macro mapped_columns(columns, feeds) -%}
    {%- set names = [] -%}
    {%- for feed in feeds -%}
        {%- do names.extend(feed.columns or columns) -%}
    {%- endfor -%}
    {{ return(columns | select('in', names) | list) }}
{%- endmacro %}

{% macro is_any_id_unusual(columns, feeds) -%}
    {{ return(adapter.dispatch('is_any_id_unusual')(columns, feeds)) }}
{%- endmacro %}

{% macro default__is_any_id_unusual(columns, feeds) -%}
    true
{%- endmacro %}

{#- A usual id consists of ASCII characters, begins and ends with a digit or letter, and is no null word. Finding the
    others costs 30 ms of processor time per million values; regular expressions over all would cost 400. An id that ends
    with a digit is compared with few words only. -#}
{% macro duckdb__is_any_id_unusual(columns, feeds) -%}
    not (
        {%- for column in columns %}
        {%- set words, words_with_digit = [], [] -%}
        {%- for feed in feeds -%}
            {%- for word in (feed.null_words or {}).get(column, []) -%}
                {%- do (words_with_digit if word[-1] in '0123456789' else words).append(word) -%}
            {%- endfor -%}
        {%- endfor %}
        ({{ column }} is null or (
            ({{ column }} between '0' and ':' or {{ column }} between 'A' and '[' or {{ column }} between 'a' and '{')
            and not suffix({{ column }}, '.0')
            and not (
                {{ column }} < ':'
                and (contains({{ column }}, '+') or contains({{ column }}, '.') or contains({{ column }}, ','))
            )
            and strlen({{ column }}) = length({{ column }})
            and case
                when array_extract({{ column }}, -1) between '0' and '9'
                    then {{ 'not (' ~ is_word(column, words_with_digit | unique | list) ~ ')' if words_with_digit else 'true' }}
                when array_extract({{ column }}, -1) between 'A' and 'z'
                    then {{ 'not (' ~ is_word(column, words | unique | list) ~ ')' if words else 'true' }}
                else false
            end
        )){{ ' and' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro unusual_id(column, feeds) -%}
    {%- set trimmed = trim_blanks(column) -%}
    case
        when {{ is_rounded_id(trimmed) }} or {{ is_nested(trimmed) }} then null
        else {{ null_if_word(clean_id(column, feeds_with_decimals(column, feeds)), column, feeds) }}
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

{% macro duckdb__clean_id(column, decimal_feeds=[]) -%}
    {%- set trimmed = trim_blanks("nfc_normalize(" ~ column ~ ")") -%}
    {%- set unquoted = "regexp_replace(" ~ trimmed ~ ", '^=?\"([^\"]*)\"$', '\\1')" -%}
    {%- set without_apostrophe = "regexp_replace(" ~ unquoted ~ ", '^''([0-9](?:.*[^''])?)$', '\\1')" -%}
    nullif({{ without_decimals(trim_blanks(without_apostrophe), decimal_feeds) }}, '')
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

{#- A number in scientific notation has a decimal mark or an explicit plus; 12E5 is an article code. A whole number of
    17 or more digits with .0 was a float, which has 15 to 16 exact digits. -#}
{% macro is_rounded_id(id) -%}
    {%- set scientific = '[0-9]+([.,][0-9]+[eE][-+]?|[eE][+])[0-9]+' -%}
    {{ id }} < ':' and {{ id }} != '' and regexp_replace({{ id }}, '^[-+]?({{ scientific }}|[0-9]{17,}[.]0)$', '') = ''
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
    {%- set conditions, texts = [], {} -%}
    {%- for column in columns -%}
        {%- set condition = check(trim_blanks(column)) -%}
        {%- do conditions.append(condition) -%}
        {%- do texts.update({column: 'case when ' ~ condition ~ ' then ' ~ column ~ ' end'}) -%}
    {%- endfor -%}
    {%- if conditions -%}
    case
        when has_unusual_id
            then case when ({{ conditions | join(') or (') }}) then {{ json_of_values(texts) }} end
    end
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}

{% macro text_or_null(column) -%}
    case when {{ is_nested(column ~ '_text') }} then null else {{ column }}_text end
{%- endmacro %}

{% macro unreadable_text(column, feeds, value=none) -%}
    case when {{ value or column }} is null then {{ null_if_word(column ~ '_text', column, feeds) }} end
{%- endmacro %}

{% macro is_kept_as_text(column) -%}
    concat(rounded_ids, nested_ids) like '%"{{ column }}":%'
{%- endmacro %}
