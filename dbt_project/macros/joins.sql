{#- Null for rows of feeds without joined files, and when a value is missing. -#}
{% macro join_key(feeds, row) -%}
    {%- set branches = [] -%}
    {%- for feed in feeds if feed.join_key -%}
        {%- set key = key_of_places(feed.join_key, quote(feed.joined_to or feed.feed), row) -%}
        {%- do branches.append((feed.feed, key)) -%}
    {%- endfor -%}
    {{ expression_by_feed(branches, row, 'cast(null as ' ~ dbt.type_string() ~ ')') }}
{%- endmacro %}

{% macro joined_rows_by_age(rows, feeds) -%}
rows_with_join_key as (

    select
        rows.*,
        {{ join_key(feeds, 'rows') }} as join_key
    from {{ rows }} as rows

),

joined_rows_by_age as (

    select
        *,
        row_number() over (
            partition by join_key
            order by {{ natural_sort_key('_file') }} desc, _file desc, _line desc
        ) as age_rank
    from rows_with_join_key
    where _feed in ({{ quoted_list(feed_names(feeds, 'joined_to')) }})

)
{%- endmacro %}

{#- A row of joined files is no row of its own. The values of a row take precedence over those of the joined row. -#}
{% macro rows_with_join(rows, columns, feeds) -%}
{{ joined_rows_by_age(rows, feeds) }},

rows_with_join as (

    select
        {% for column in columns -%}
        coalesce(own.{{ column }}, joined.{{ column }}) as {{ column }},
        {% endfor -%}
        {{ json_merged('own._extra', 'joined._extra') }} as _extra,
        coalesce(own.rounded_ids, joined.rounded_ids) as rounded_ids,
        coalesce(own.nested_ids, joined.nested_ids) as nested_ids,
        own._feed in ({{ quoted_list(feed_names(feeds, 'join_key')) }}) and joined._line is null as is_unjoined,
        own.join_key,
        own._feed,
        own._file,
        own._line,
        own._load_id
    from rows_with_join_key as own
    left join joined_rows_by_age as joined on own.join_key = joined.join_key and joined.age_rank = 1
    where own._feed not in ({{ quoted_list(feed_names(feeds, 'joined_to')) }})

)
{%- endmacro %}
