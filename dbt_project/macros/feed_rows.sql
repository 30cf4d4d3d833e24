{#- The kinds of the files that RecoMart writes; their feeds have the same names. -#}
{% macro log_kinds() -%}
    {{ return(['recommendation_lists', 'served_lists']) }}
{%- endmacro %}

{#- The columns of a raw table that a mapping can fill. -#}
{% macro raw_columns(kind) -%}
    {{ return({
        'events': [
            'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id', 'transaction_id',
            'quantity', 'price', 'line_total', 'currency', 'product_name', 'category', 'brand',
        ],
        'purchases': [
            'transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'line_total', 'currency', 'purchased_at',
            'device', 'product_name', 'category', 'brand',
        ],
        'products': [
            'product_id', 'product_name', 'category', 'brand', 'price', 'currency', 'popularity_score', 'is_available',
            'updated_at', 'margin', 'product_url', 'image_url',
        ],
        'impressions': [
            'impression_id', 'user_id', 'session_id', 'product_id', 'placement', 'position', 'seen_at',
            'recommendation_id',
        ],
        'recommendation_lists': [
            'user_id', 'placement', 'published_at', 'experiment', 'arm', 'run_id', 'product_ids', 'sources',
            'reason_keys', 'propensities', 'publication', 'list_hash',
        ],
        'served_lists': [
            'recommendation_id', 'served_at', 'user_id', 'session_id', 'placement', 'experiment', 'arm', 'run_id',
            'product_ids', 'is_fallback',
        ],
    }[kind]) }}
{%- endmacro %}

{#- Without both columns, a build need not read all events. -#}
{% macro has_session_impressions() -%}
    {{ return(
        mapped_columns(['session_id'], declared_feeds('impressions')) | length > 0
        and mapped_columns(['session_id'], declared_feeds('events')) | length > 0
    ) }}
{%- endmacro %}

{#- The rows of the feeds of a kind, with cleaned texts. Rows of joined files are no rows of their own; they fill others. -#}
{% macro feed_rows(kind, columns, feeds) -%}
{#- dbt must know the source before it knows the feeds; unit tests need it only if they declare fill_down. -#}
{%- if not execute -%}
    {%- do source('raw', 'rejected_rows') -%}
{%- endif -%}
{%- set has_join = is_declared(feeds, 'joined_to') -%}
{%- set is_filled_down = is_declared(feeds, 'fill_down') -%}
cleaned as (

    {{ cleaned_rows(source('raw', kind), columns, feeds) }}

),

{% if has_join -%}
{{ rows_with_join('cleaned', columns, feeds) }},

{% endif -%}
{% if is_filled_down -%}
{{ filled_down_rows(kind, 'rows_with_join' if has_join else 'cleaned', columns, feeds, has_join) }},

{% endif -%}
feed_rows as (

    select
        *
        {{- ',\n        false as is_unjoined' if not has_join }}
    from {{ 'filled_down_rows' if is_filled_down else 'rows_with_join' if has_join else 'cleaned' }}

)
{%- endmacro %}
