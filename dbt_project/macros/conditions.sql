{% macro is_declared(feeds, setting) -%}
    {{ return(feed_names(feeds, setting) | length > 0) }}
{%- endmacro %}

{% macro feed_names(feeds, setting) -%}
    {{ return(feeds | selectattr(setting, 'defined') | selectattr(setting) | map(attribute='feed') | list) }}
{%- endmacro %}

{#- The text of a declared name of the files: in a column, or in _extra. `place.keys` would be a method. -#}
{% macro raw_text(place, row) -%}
    {%- if place.column -%}
    {{ clean_text(row ~ '.' ~ place.column) }}
    {%- else -%}
    {%- set text = clean_text(json_path_text(row ~ '._extra', place['keys'])) -%}
    {%- if place.null_words -%}
    case when {{ is_word(text, place.null_words) }} then null else {{ text }} end
    {%- else -%}
    {{ text }}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro has_declared_value(condition, row) -%}
    coalesce(lower({{ raw_text(condition, row) }}), '') in ({{ quoted_list(condition['values']) }})
{%- endmacro %}

{% macro is_left_out(feeds, row) -%}
    {%- set branches = [] -%}
    {%- for feed in feeds -%}
        {%- set conditions = [] -%}
        {%- for condition in feed.where or [] -%}
            {#- The values of a row without its joined row are not known yet. -#}
            {%- set is_known = 'not ' ~ row ~ '.is_unjoined and ' if feed.join_key else '' -%}
            {%- do conditions.append(is_known ~ 'not ' ~ has_declared_value(condition, row)) -%}
        {%- endfor -%}
        {%- for condition in feed.leave_out or [] -%}
            {%- set is_known = 'not ' ~ row ~ '.is_unjoined and ' if feed.join_key and '' in condition['values'] else '' -%}
            {%- do conditions.append(is_known ~ has_declared_value(condition, row)) -%}
        {%- endfor -%}
        {%- do branches.append((feed.feed, conditions | join('\n            or '))) if conditions -%}
    {%- endfor -%}
    {{ expression_by_feed(branches, row, 'false') }}
{%- endmacro %}

{% macro is_declared_return(feeds, row) -%}
    {%- set branches = [] -%}
    {%- for feed in feeds if feed.is_return -%}
        {%- set conditions = [] -%}
        {%- for condition in feed.is_return -%}
            {%- do conditions.append(has_declared_value(condition, row)) -%}
        {%- endfor -%}
        {%- do branches.append((feed.feed, conditions | join('\n            or '))) -%}
    {%- endfor -%}
    {{ expression_by_feed(branches, row, 'false') }}
{%- endmacro %}

{#- Rows without a key are compared with equal rows only. -#}
{% macro row_key(feeds, row) -%}
    {%- set branches = [] -%}
    {%- for feed in feeds if feed.key -%}
        {%- do branches.append((feed.feed, key_of_places(feed.key, row ~ '._feed', row))) -%}
    {%- endfor -%}
    {{ expression_by_feed(branches, row, 'cast(null as ' ~ dbt.type_string() ~ ')') }}
{%- endmacro %}

{#- Null without a value at each place. A text, because client libraries cannot read the type of the fingerprint. -#}
{% macro key_of_places(places, owner, row) -%}
    {%- set texts = [] -%}
    {%- for place in places -%}
        {%- do texts.append(raw_text(place, row) if place.column else clean_id(raw_text(place, row))) -%}
    {%- endfor -%}
        case
            when {{ texts | join(' is not null and ') }} is not null
                then cast({{ fingerprint([owner] + texts) }} as {{ dbt.type_string() }})
        end
{%- endmacro %}

{% macro expression_by_feed(branches, row, otherwise) -%}
    {%- if branches -%}
    case
        {%- for feed, expression in branches %}
        when {{ row }}._feed = {{ quote(feed) }} then {{ expression }}
        {%- endfor %}
        else {{ otherwise }}
    end
    {%- else -%}
    {{ otherwise }}
    {%- endif -%}
{%- endmacro %}
