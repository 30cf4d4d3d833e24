{{ config(materialized='view') }}
-- depends_on: {{ source('raw', 'events') }}, {{ source('raw', 'purchases') }}, {{ source('raw', 'products') }}
{% set kinds = [] %}
{% for kind in ['events', 'purchases', 'products'] if is_declared(declared_feeds(kind), 'joined_to') %}
    {% do kinds.append(kind) %}
{% endfor %}

{% for kind in kinds -%}
{% set feeds = declared_feeds(kind) -%}
{% set places = feeds | selectattr('join_key', 'defined') | map(attribute='join_key') | sum(start=[]) -%}
{% set columns = places | selectattr('column', 'defined') | map(attribute='column') | unique | list -%}
select
    _load_id,
    _line,
    case
        when reasons is not null then 'quarantined'
        when age_rank = 1 then 'clean'
        else 'duplicate'
    end as row_status,
    reasons
from (

    with cleaned as (

        {{ cleaned_rows(source('raw', kind), columns, feeds) }}

    ),

    {{ joined_rows_by_age('cleaned', feeds) }}

    select
        *,
        {{ broken_rules({
            'missing_key': 'join_key is null',
        }) }} as reasons
    from joined_rows_by_age

) as {{ kind }}

{{ 'union all' if not loop.last }}

{% else -%}
select
    _load_id,
    _line,
    cast(null as {{ dbt.type_string() }}) as row_status,
    cast(null as {{ dbt.type_string() }}) as reasons
from {{ source('raw', 'events') }}
where 1 = 0
{% endfor %}
