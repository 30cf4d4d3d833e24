{% macro is_fill_down_declared(feeds) -%}
    {{ return(feeds | selectattr('fill_down', 'defined') | selectattr('fill_down') | list | length > 0) }}
{%- endmacro %}

{#- A row without name, category and brand takes all three from the newest row before it in its group: the rows of a file
    with the same value of fill_down. -#}
{% macro filled_down_rows(rows, columns, feeds, flags=[]) -%}
{%- set branches = [] -%}
{%- for feed in feeds if feed.fill_down -%}
    {%- do branches.append((feed.feed, raw_text(feed.fill_down, 'rows'))) -%}
{%- endfor -%}
{%- set attributes = ['product_name', 'category', 'brand'] -%}
grouped_rows as (

    select
        rows.*,
        {{ expression_by_feed(branches, 'rows', 'cast(null as ' ~ dbt.type_string() ~ ')') }} as group_value,
        coalesce(product_name, category, brand) is not null as has_attributes
    from {{ rows }} as rows

),

rows_with_source as (

    select
        *,
        case
            when group_value is not null and not has_attributes
                then max(case when has_attributes then _line end) over (
                        partition by _load_id, group_value
                        order by _line rows between unbounded preceding and current row
                    )
            else _line
        end as attributes_line
    from grouped_rows

),

filled_down_rows as (

    select
        {% for column in columns -%}
        {{ 'sources' if column in attributes else 'rows_with_source' }}.{{ column }},
        {% endfor -%}
        {%- for flag in flags -%}
        rows_with_source.{{ flag }},
        {% endfor -%}
        rows_with_source._extra,
        rows_with_source._feed,
        rows_with_source._file,
        rows_with_source._line,
        rows_with_source._load_id
    from rows_with_source
    left join rows_with_source as sources
        on rows_with_source._load_id = sources._load_id
        and rows_with_source.attributes_line = sources._line

)
{%- endmacro %}
