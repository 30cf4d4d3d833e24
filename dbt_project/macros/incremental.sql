{#- The incremental models replace whole days. A day of a classified table is out of date when one of its files was loaded
    again, when a new file has rows of the day, or when a product of its rows became known or unknown. The macros find
    outdated days by comparing the built table with its inputs, so that the next build completes an interrupted one and the
    result equals a full rebuild row for row. -#}

{#- The result is a list of constants, because with a subquery the staging view would parse the rows of all loads. -#}
{% macro new_load_ids(built) -%}
    {%- set kind = config.require('meta')['kind'] -%}
    {%- set query -%}
    select file_loads.load_id
    from {{ ref('int_file_loads') }} as file_loads
    left join (select distinct _load_id, _typing_fingerprint, _sql_version from {{ built }}) as built_loads
        on {{ is_current_load('built_loads') }}
    where file_loads.kind = {{ quote(kind) }} and built_loads._load_id is null
    order by file_loads.load_id
    {%- endset -%}
    {{ return(query_to_list(query) | map('int') | list) }}
{%- endmacro %}

{% macro is_current_load(built) -%}
    {{ built }}._load_id = file_loads.load_id
        and {{ built }}._typing_fingerprint = file_loads.typing_fingerprint
        and {{ built }}._sql_version = {{ sql_version() }}
{%- endmacro %}

{% macro is_in_loads(loads) -%}
    {{ '_load_id in (' ~ loads | join(', ') ~ ')' if loads else 'false' }}
{%- endmacro %}

{#- The query compares distinct loads and products, because a lookup for every row takes several times as long. -#}
{% macro outdated_days(built, staging_model, timestamp_column) -%}
    select built_loads._row_date as day
    from (select distinct _row_date, _load_id, _typing_fingerprint, _sql_version from {{ built }}) as built_loads
    left join {{ ref('int_file_loads') }} as file_loads on {{ is_current_load('built_loads') }}
    where file_loads.load_id is null

    union

    select distinct {{ row_date(timestamp_column) }} as day
    from {{ staging_model }}
    where {{ is_in_loads(new_load_ids(built)) }}

    union

    select distinct _row_date as day
    from {{ built }}
    where
        reasons like '%unknown_product%'
        and product_id in (select product_id from {{ ref('int_products_unioned') }})

    union

    select distinct _row_date as day
    from {{ built }}
    where
        {{ has_known_product() }}
        and product_id in (
            select product_id from {{ built }}
            where {{ has_known_product() }}
            except
            select product_id from {{ ref('int_products_unioned') }}
        )
{%- endmacro %}

{% macro has_known_product() -%}
    row_status != 'duplicate' and coalesce(reasons, '') not like '%unknown_product%'
{%- endmacro %}

{% macro rows_of_outdated_days(built, staging_model, timestamp_column, columns) -%}
outdated_days as (

    {{ outdated_days(built, staging_model, timestamp_column) | indent(4) }}

),

new_rows as (

    select {{ columns | join(', ') }} from {{ staging_model }}
    where {{ is_in_loads(new_load_ids(built)) }}

),

-- Rows of outdated days whose load is still current.
built_rows as (

    select {{ columns | join(', ') }} from {{ built }} as built
    inner join {{ ref('int_file_loads') }} as file_loads on {{ is_current_load('built') }}
    where built._row_date in (select day from outdated_days)

),

rows_of_outdated_days as (

    select * from new_rows
    union all
    select * from built_rows

)
{%- endmacro %}

{#- dbt runs the model's query before the rows are deleted. -#}
{% macro get_incremental_replace_outdated_days_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set staging_model = ref(config.require('meta')['staging_model']) -%}
    delete from {{ target }}
    where _row_date in ({{ outdated_days(target, staging_model, config.require('meta')['timestamp_column']) }});

    {{ insert_all(target, arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{% macro insert_all(target, source, columns) -%}
    {%- set names = columns | map(attribute='quoted') | join(', ') -%}
    insert into {{ target }} ({{ names }})
    select {{ names }} from {{ source }};
{%- endmacro %}

{#- The following macros rebuild the days whose version changed; the rows of a built table carry the version from which they
    were built (day_version). -#}

{% macro day_version(days) -%}
    {{ dbt.concat([days ~ '.version', quote('/' ~ sql_version())]) }}
{%- endmacro %}

{#- The result is a list of constants, because then the actions of all other days are not read. -#}
{% macro changed_days(built) -%}
    {{ return(query_to_dates(
        "select current_days.action_date
        from " ~ ref('int_action_days') ~ " as current_days
        left join (select distinct action_date, day_version from " ~ built ~ ") as built_days
            on current_days.action_date = built_days.action_date
            and " ~ day_version('current_days') ~ " = built_days.day_version
        where built_days.action_date is null"
    )) }}
{%- endmacro %}

{% macro is_on_days(days) -%}
    {{ 'action_date in (' ~ days | join(', ') ~ ')' if days else 'false' }}
{%- endmacro %}

{% macro get_incremental_replace_changed_days_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    delete from {{ target }}
    where (action_date, day_version) not in (
        select action_date, {{ day_version('days') }} from {{ ref('int_action_days') }} as days
    );

    {{ insert_all(target, arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{% macro day_versions_relation(built) -%}
    {{ built.incorporate(path={'identifier': built.identifier ~ '__day_versions'}) }}
{%- endmacro %}

{% macro record_day_versions(built) -%}
    create or replace table {{ day_versions_relation(built) }} as
    select action_date, content_fingerprint, {{ day_version('days') }} as day_version
    from {{ ref('int_action_days') }} as days
{%- endmacro %}

{#- The built table has only the first and last day of a pair, so the result may contain unchanged pairs; rebuilding
    them does no harm. For a day with the same actions as at the last build, the current actions give all pairs. The
    pairs are computed once before the build, because the model's query and its strategy both need them. -#}
{% macro create_changed_pairs(built) -%}
    {% if is_incremental() -%}
    {%- set changed_dates -%}
    select coalesce(current_days.action_date, built_days.action_date) as action_date
    from {{ ref('int_action_days') }} as current_days
    full outer join {{ day_versions_relation(built) }} as built_days
        on current_days.action_date = built_days.action_date
    where
        current_days.version is null
        or built_days.day_version is null
        or {{ day_version('current_days') }} != built_days.day_version
    {%- endset -%}
    {%- set replaced_dates -%}
    select built_days.action_date
    from {{ day_versions_relation(built) }} as built_days
    left join {{ ref('int_action_days') }} as current_days
        on built_days.action_date = current_days.action_date
        and built_days.content_fingerprint = current_days.content_fingerprint
    where current_days.action_date is null
    {%- endset %}
    create or replace temporary table {{ changed_pairs_relation(built) }} as

    select
        user_id,
        product_id
    from {{ ref('int_actions_with_cutoffs') }}
    where
        user_id is not null
        and {{ is_on_days(query_to_dates(changed_dates)) }}

    union

    select
        user_id,
        product_id
    from {{ built }}
    where {{ overlaps_ranges(query_to_date_ranges(replaced_dates)) }}
    {%- endif %}
{%- endmacro %}

{#- A change of all days is one range. For many ranges, a join would be faster than these conditions. -#}
{% macro overlaps_ranges(ranges) -%}
    {%- for first, last in ranges -%}
    {{ '\n        or ' if not loop.first -}}
    (cast(first_interaction_at as date) <= {{ last }} and cast(last_interaction_at as date) >= {{ first }})
    {%- else -%}
    false
    {%- endfor -%}
{%- endmacro %}

{% macro changed_pairs_relation(built) -%}
    {{ built.identifier }}__changed_pairs
{%- endmacro %}

{% macro get_incremental_replace_changed_pairs_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    delete from {{ target }}
    where (user_id, product_id) in (select user_id, product_id from {{ changed_pairs_relation(target) }});

    {{ insert_all(target, arg_dict['temp_relation'], arg_dict['dest_columns']) }}

    drop table {{ changed_pairs_relation(target) }};
{%- endmacro %}
