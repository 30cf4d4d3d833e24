{#- Columns of a group of rows: the variants of a product, or the lines of an order or event. -#}
{% macro columns_of_groups(kind) -%}
    {%- if kind == 'products' -%}
        {{ return([
            'product_name', 'category', 'brand', 'is_available', 'currency', 'updated_at', 'product_url', 'image_url',
        ]) }}
    {%- endif -%}
    {{ return(['transaction_id', 'user_id', 'session_id', 'device', 'currency', 'purchased_at', 'event_at']) }}
{%- endmacro %}

{#- A row takes the values that it lacks from the newest row before it in its group that has them. A group is the rows of a
    file with the same value of fill_down. A row without that value, and without the time or name of a row of its own,
    continues the group of the row before it, unless a line between them was rejected: that line can be the first one of
    another group. -#}
{% macro filled_down_rows(kind, rows, columns, feeds, has_join) -%}
{%- set own_value = {'products': 'product_name', 'purchases': 'purchased_at', 'events': 'event_at'}[kind] -%}
{%- set group_values, extra_values = [], [] -%}
{%- for feed in feeds if feed.fill_down -%}
    {%- set group_value = raw_text(feed.fill_down, 'rows') -%}
    {%- if kind == 'products' -%}
        {#- Variants can name the id of their parent, which names no parent. -#}
        {%- set group_value = 'coalesce(' ~ group_value
            ~ ', case when rows.product_name is not null then rows.product_id end)' -%}
    {%- endif -%}
    {%- do group_values.append((feed.feed, group_value)) -%}
    {%- set values = {} -%}
    {%- for place in names_to_fill(feed) -%}
        {%- set value = clean_text(json_path_text('_extra', place['keys'])) -%}
        {%- do values.update({place['keys'] | first: latest(value, '_line') ~ ' over rows_up_to_row'}) -%}
    {%- endfor -%}
    {%- if values -%}
        {%- do extra_values.append((feed.feed, json_merged('_extra', json_of_values(values)))) -%}
    {%- endif -%}
{%- endfor -%}
rows_with_own_group as (

    select
        rows.*,
        {{ expression_by_feed(group_values, 'rows', 'cast(null as ' ~ dbt.type_string() ~ ')') }} as own_group_value
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

blocks as (

    select
        _load_id,
        block_number,
        min(_line) as first_line,
        max(own_group_value) as group_value
        {%- if has_join %},
        max(case when own_group_value is not null then is_unjoined end) as is_unjoined
        {%- endif %}
    from rows_in_blocks
    group by _load_id, block_number

),

grouped_rows as (

    select
        rows_in_blocks.*,
        {%- if has_join %}
        case
            when rows_in_blocks.join_key is null then blocks.is_unjoined
        end as is_group_unjoined,
        {%- endif %}
        blocks.group_value
    from rows_in_blocks
    left join blocks
        on rows_in_blocks._load_id = blocks._load_id
        and rows_in_blocks.block_number = blocks.block_number
        and not exists (
            select 1 from {{ source('raw', 'rejected_rows') }} as rejected
            where
                rejected.feed = rows_in_blocks._feed
                and rejected.path = rows_in_blocks._file
                and rejected.line between blocks.first_line and rows_in_blocks._line
        )

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
        case
            when group_value is not null then {{ expression_by_feed(extra_values, 'grouped_rows', '_extra') }}
            else _extra
        end as _extra,
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

{#- The places in _extra that fill_down, the conditions and the key of a feed read. -#}
{% macro names_to_fill(feed) -%}
    {%- set group_places = [feed.fill_down] if feed.fill_down.get('keys', []) | length == 1 else [] -%}
    {%- set places = group_places + (feed.where or []) + (feed.leave_out or []) + (feed.is_return or []) + (feed.key or []) -%}
    {{ return(places | rejectattr('column', 'defined') | list) }}
{%- endmacro %}
