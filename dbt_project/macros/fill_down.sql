{#- Columns of a group of rows: the variants of a product, or the lines of an order or event. -#}
{% macro columns_of_groups(kind) -%}
    {%- if kind == 'products' -%}
        {{ return(['product_name', 'category', 'brand', 'is_available', 'currency', 'updated_at']) }}
    {%- endif -%}
    {{ return(['transaction_id', 'user_id', 'session_id', 'device', 'currency', 'purchased_at', 'event_at']) }}
{%- endmacro %}

{#- A row takes the values that it lacks from the newest row before it in its group that has them. A group is the rows of a
    file with the same value of fill_down. A row without that value, and without the time or name of a row of its own,
    continues the group of the row before it. -#}
{% macro filled_down_rows(kind, rows, columns, feeds, has_join) -%}
{%- set own_value = {'products': 'product_name', 'purchases': 'purchased_at', 'events': 'event_at'}[kind] -%}
{%- set branches, extra_names = [], [] -%}
{%- for feed in feeds if feed.fill_down -%}
    {%- do branches.append((feed.feed, raw_text(feed.fill_down, 'rows'))) -%}
    {%- set group_places = [feed.fill_down] if feed.fill_down.get('keys', []) | length == 1 else [] -%}
    {%- set condition_places = (feed.where or []) + (feed.leave_out or []) + (feed.is_return or []) -%}
    {%- for place in group_places + condition_places if not place.column -%}
        {%- do extra_names.append(place['keys'] | first) -%}
    {%- endfor -%}
{%- endfor -%}
rows_with_own_group as (

    select
        rows.*,
        {{ expression_by_feed(branches, 'rows', 'cast(null as ' ~ dbt.type_string() ~ ')') }} as own_group_value
    from {{ rows }} as rows

),

rows_in_blocks as (

    select
        *,
        sum(case when own_group_value is null and {{ own_value }} is null then 0 else 1 end) over (
            partition by _load_id
            order by _line rows between unbounded preceding and current row
        ) as block_number
    from rows_with_own_group

),

grouped_rows as (

    select
        *,
        max(own_group_value) over (partition by _load_id, block_number) as group_value
        {%- if has_join %},
        max(case when own_group_value is not null then is_unjoined end) over (
            partition by _load_id, block_number
        ) as is_group_unjoined
        {%- endif %}
    from rows_in_blocks

),

filled_down_rows as (

    select
        {% for column in columns -%}
        {%- if column in columns_of_groups(kind) -%}
        coalesce(
            {{ column }}, case when group_value is not null then {{ latest(column, '_line') }} over rows_up_to_row end
        ) as {{ column }},
        {% else -%}
        {{ column }},
        {% endif -%}
        {%- endfor -%}
        {%- if has_join -%}
        coalesce(is_group_unjoined, is_unjoined) as is_unjoined,
        {% endif -%}
        rounded_ids,
        nested_ids,
        {% if extra_names -%}
        {%- set values = {} -%}
        {%- for name in extra_names -%}
            {%- set value = clean_text(json_path_text('_extra', [name])) -%}
            {%- do values.update({name: latest(value, '_line') ~ ' over rows_up_to_row'}) -%}
        {%- endfor -%}
        case
            when group_value is not null then {{ json_merged('_extra', json_of_values(values)) }}
            else _extra
        end as _extra,
        {% else -%}
        _extra,
        {% endif -%}
        _feed,
        _file,
        _line,
        _load_id
    from grouped_rows
    window rows_up_to_row as (
        partition by _load_id, group_value
        order by _line rows between unbounded preceding and current row
    )

)
{%- endmacro %}
