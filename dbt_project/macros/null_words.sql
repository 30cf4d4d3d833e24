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
