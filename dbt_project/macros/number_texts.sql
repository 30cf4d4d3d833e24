{#- The text of a number as a cast reads it: signs behind the number, separators of thousands and, in a price, a currency
    are rewritten. -#}
{% macro unusual_number(column, feed_column, feeds, is_price=false) -%}
    {%- set feeds_by_format = {} -%}
    {%- for feed in feeds -%}
        {%- set format = (feed.decimal_mark or '.', feed.thousands or '') -%}
        {%- do feeds_by_format.setdefault(format, []).append(feed.feed) -%}
    {%- endfor -%}
    {%- if feeds_by_format | length == 1 -%}
    {%- set format = feeds_by_format | first -%}
    {{ rewritten_number(column, format[0], format[1], is_price) }}
    {%- elif feeds_by_format -%}
    case
        {%- for format, names in feeds_by_format.items() %}
        when {{ feed_column }} in ({{ quoted_list(names) }})
            then {{ rewritten_number(column, format[0], format[1], is_price) }}
        {%- endfor %}
    end
    {%- else -%}
    {{ column }}
    {%- endif -%}
{%- endmacro %}

{% macro rewritten_number(text, decimal_mark, thousands, is_price) -%}
    {{ return(adapter.dispatch('rewritten_number')(text, decimal_mark, thousands, is_price)) }}
{%- endmacro %}

{#- The lambda gives the text without sign and currency a name, so that it is computed once. -#}
{% macro duckdb__rewritten_number(text, decimal_mark, thousands, is_price) -%}
    {%- set blanks = '[\\p{Zs}\u2019\'\']' -%}
    {%- set steps = [
        ['\u2212', '-'], ['([0-9])[.,][-\u2013\u2014]{1,2}', '\\1'], ['^[(]([^()-]+)[)]$', '-\\1'],
    ] -%}
    {%- if is_price -%}
        {%- set currency = '(?i)(?:' ~ currency_pattern() ~ ')' -%}
        {%- do steps.append(['^([-+]?)\\p{Zs}*' ~ currency ~ '\\p{Zs}*([-+]?[0-9.,])', '\\1\\2']) -%}
        {%- do steps.append(['([0-9.,]-?)\\p{Zs}*' ~ currency ~ '\\p{Zs}*(-?)$', '\\1\\2']) -%}
    {%- endif -%}
    {%- do steps.append(['^([0-9](?:.*[0-9.,])?)\\p{Zs}*-$', '-\\1']) -%}
    {%- do steps.append(['^([-+])\\p{Zs}+', '\\1']) -%}
    {%- set plain = namespace(text=trim_blanks(text)) -%}
    {%- for pattern, replacement in steps -%}
        {%- set plain.text = "regexp_replace(" ~ plain.text ~ ", '" ~ pattern ~ "', '" ~ replacement ~ "')" -%}
    {%- endfor -%}
    {%- set first = '^[-+]?[1-9][0-9]{0,2}' -%}
    list_transform([{{ plain.text }}], lambda number: case
        when regexp_matches(number, '{{ first }}({{ blanks }}[0-9]{3})+([{{ decimal_mark }}][0-9]*)?$')
            then replace(regexp_replace(number, '{{ blanks }}', '', 'g'), ',', '.')
        {%- if decimal_mark == ',' %}
        when regexp_matches(number, '{{ first }}([.][0-9]{3})+(,[0-9]*)?$')
            then replace(replace(number, '.', ''), ',', '.')
        when not contains(number, '.') then replace(number, ',', '.')
        when contains(number, ',') then null
        {%- elif thousands == ',' %}
        when regexp_matches(number, '{{ first }}(,[0-9]{3})+([.][0-9]*)?$') then replace(number, ',', '')
        {%- else %}
        when regexp_matches(number, '{{ first }}((,[0-9]{2,3})*,[0-9]{3}[.][0-9]*|(,[0-9]{2,3})+,[0-9]{3})$')
            then replace(number, ',', '')
        {%- endif %}
        else number
    end)[1]
{%- endmacro %}
