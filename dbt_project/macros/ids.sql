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

{% macro cleaned_unusual_id(column, feeds) -%}
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

{#- A number in scientific notation has a decimal mark or an explicit plus; 12E5 is an article code. A whole number
    with .0 was a float, which is exact up to 9.007e15. -#}
{% macro is_rounded_id(id) -%}
    {%- set scientific = '[0-9]+([.,][0-9]+[eE][-+]?|[eE][+])[0-9]+' -%}
    {%- set pattern = "^=?[\"']?[-+]?(" ~ scientific ~ "|(9[0-9]{15}|[0-9]{17,})[.]0)[\"']?$" -%}
    {{ id }} < '>' and {{ id }} != '' and regexp_replace({{ id }}, {{ quote(pattern) }}, '') = ''
{%- endmacro %}

{% macro ids_to_keep(columns, check) -%}
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

{% macro is_kept_as_text(column) -%}
    concat(rounded_ids, nested_ids) like '%"{{ column }}":%'
{%- endmacro %}
