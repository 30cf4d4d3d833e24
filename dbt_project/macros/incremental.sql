{#- Incremental models here replace whole days: a day is out of date when a file that it has rows of was read anew, when a
    new file brings rows of it, or when the standing of one of its products changed. What is out of date is found by
    comparing what was built with what it was built from, so a build that was cut off is made good by the next one, and the
    result equals a full rebuild row for row. -#}

{#- The UTC day of an instant; rows whose instant is unreadable share a day of their own. -#}
{% macro row_date(timestamp_column) -%}
    coalesce(cast({{ timestamp_column }} as date), date '0001-01-01')
{%- endmacro %}

{#- Ids of the loads that the ledger has and the built table has not, as SQL constants: with constants a view of parsed
    rows parses the few rows that it must, with a subquery all of them. -#}
{% macro new_load_ids(built) -%}
    {%- set kind = config.require('meta')['kind'] -%}
    {%- set query -%}
    select file_loads.load_id
    from {{ ref('int_file_loads') }} as file_loads
    left join (select distinct _load_id, _typing_fingerprint from {{ built }}) as built_loads
        on file_loads.load_id = built_loads._load_id and file_loads.typing_fingerprint = built_loads._typing_fingerprint
    where file_loads.kind = {{ quote(kind) }} and built_loads._load_id is null
    order by file_loads.load_id
    {%- endset -%}
    {{ return(query_to_list(query) | map('int') | list) }}
{%- endmacro %}

{#- The values that a query of one column finds. -#}
{% macro query_to_list(query) -%}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}

{#- Whether a row belongs to one of these loads. -#}
{% macro is_in_loads(loads) -%}
    {{ '_load_id in (' ~ loads | join(', ') ~ ')' if loads else 'false' }}
{%- endmacro %}

{#- Days (day) of a table of classified rows that are out of date. `staging_model` is what it is built from. Few readings and
    products are told apart first: looking each of many rows up takes several times as long. -#}
{% macro outdated_days(built, staging_model, timestamp_column) -%}
    select built_loads._row_date as day
    from (select distinct _row_date, _load_id, _typing_fingerprint from {{ built }}) as built_loads
    left join {{ ref('int_file_loads') }} as file_loads
        on built_loads._load_id = file_loads.load_id and built_loads._typing_fingerprint = file_loads.typing_fingerprint
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

{#- Whether a classified row was built with a product that the shop knew; duplicates were not looked at. -#}
{% macro has_known_product() -%}
    row_status != 'duplicate' and coalesce(reasons, '') not like '%unknown_product%'
{%- endmacro %}

{#- CTEs, the last of them 'rows_of_outdated_days': what is to be classified again. -#}
{% macro rows_of_outdated_days(built, staging_model, timestamp_column, columns) -%}
days as (

    {{ outdated_days(built, staging_model, timestamp_column) | indent(4) }}

),

new_rows as (

    select {{ columns | join(', ') }} from {{ staging_model }}
    where {{ is_in_loads(new_load_ids(built)) }}

),

kept_rows as (

    select {{ columns | join(', ') }} from {{ built }} as built
    inner join {{ ref('int_file_loads') }} as file_loads
        on built._load_id = file_loads.load_id and built._typing_fingerprint = file_loads.typing_fingerprint
    where built._row_date in (select day from days)

),

rows_of_outdated_days as (

    select * from new_rows
    union all
    select * from kept_rows

)
{%- endmacro %}

{#- Incremental strategy 'replace_outdated_days' of the models that classify rows. Its query is that of the model's own
    body, asked before anything is deleted. -#}
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

{#- Models below replace the days whose content_fingerprint changed: int_action_days knows each day's version, and the rows of a day
    carry the version that they were made from. -#}

{#- Days whose rows in the built table are missing or of another version, as SQL constants: with constants the actions of
    all other days are not even read. -#}
{% macro changed_days(built) -%}
    {{ return(query_to_dates(
        "select current_days.action_date
        from " ~ ref('int_action_days') ~ " as current_days
        left join (select distinct action_date, day_version from " ~ built ~ ") as built_days
            on current_days.action_date = built_days.action_date
            and current_days.version = built_days.day_version
        where built_days.action_date is null"
    )) }}
{%- endmacro %}

{#- The dates that a query of one column finds, as SQL constants. -#}
{% macro query_to_dates(query) -%}
    {%- set dates = [] -%}
    {%- for date in query_to_list(query) -%}
        {%- do dates.append("date '" ~ date ~ "'") -%}
    {%- endfor -%}
    {{ return(dates) }}
{%- endmacro %}

{#- Whether an action lies on one of these days. -#}
{% macro is_on_days(days) -%}
    {{ 'action_date in (' ~ days | join(', ') ~ ')' if days else 'false' }}
{%- endmacro %}

{#- Incremental strategy 'replace_changed_days'. -#}
{% macro get_incremental_replace_changed_days_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    delete from {{ target }}
    where (action_date, day_version) not in (select action_date, version from {{ ref('int_action_days') }});

    {{ insert_all(target, arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{#- Where a table that has no days of its own keeps the versions of the days that it was made from; written in the
    transaction that brings the table up to date. -#}
{% macro day_versions_relation(built) -%}
    {{ built.incorporate(path={'identifier': built.identifier ~ '__day_versions'}) }}
{%- endmacro %}

{% macro record_day_versions(built) -%}
    create or replace table {{ day_versions_relation(built) }} as
    select action_date, content_fingerprint, version from {{ ref('int_action_days') }}
{%- endmacro %}

{#- Pairs (user_id, product_id) with an action on a changed day, now or when the table was built. Of then, only a pair's first
    and last day are known: one too many does no harm. Where a day's rows are the ones of then, now tells them all. They are
    looked for once, before the table is built: its query and its strategy both need them. -#}
{% macro create_changed_pairs(built) -%}
    {% if is_incremental() -%}
    {%- set changed_dates -%}
    select coalesce(current_days.action_date, built_days.action_date) as action_date
    from {{ ref('int_action_days') }} as current_days
    full outer join {{ day_versions_relation(built) }} as built_days
        on current_days.action_date = built_days.action_date
    where
        current_days.version is null
        or built_days.version is null
        or current_days.version != built_days.version
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

{#- The dates that a query of action_date finds, as ranges of days that follow each other: [first, last] as SQL constants. -#}
{% macro query_to_date_ranges(query) -%}
    {%- set ranges -%}
    select
        cast(min(action_date) as {{ dbt.type_string() }}) as first_date,
        cast(max(action_date) as {{ dbt.type_string() }}) as last_date
    from (
        select
            action_date,
            {{ dbt.datediff("date '2000-01-01'", 'action_date', 'day') }} - row_number() over (order by action_date)
                as range_number
        from ({{ query }}) as dates
    ) as numbered
    group by range_number
    {%- endset -%}
    {%- set date_ranges = [] -%}
    {%- for row in run_query(ranges).rows -%}
        {%- do date_ranges.append(["date '" ~ row[0] ~ "'", "date '" ~ row[1] ~ "'"]) -%}
    {%- endfor -%}
    {{ return(date_ranges) }}
{%- endmacro %}

{#- Whether the days from a pair's first to its last share one with these ranges. A change of all days is one range; a join of
    the pairs with many ranges would take less time than a condition for each. -#}
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

{#- Incremental strategy 'replace_changed_pairs'. -#}
{% macro get_incremental_replace_changed_pairs_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    delete from {{ target }}
    where (user_id, product_id) in (select user_id, product_id from {{ changed_pairs_relation(target) }});

    {{ insert_all(target, arg_dict['temp_relation'], arg_dict['dest_columns']) }}

    drop table {{ changed_pairs_relation(target) }};
{%- endmacro %}
