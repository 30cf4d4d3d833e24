{#- Incremental models here replace whole days: a day is out of date when a file that it has rows of was read anew, when a
    new file brings rows of it, or when the standing of one of its products changed. What is out of date is found by
    comparing what was built with what it was built from, so a build that was cut off is made good by the next one, and the
    result equals a full rebuild row for row. -#}

{#- The UTC day of an instant; rows whose instant is unreadable share a day of their own. -#}
{% macro day_of(instant) -%}
    coalesce(cast({{ instant }} as date), date '0001-01-01')
{%- endmacro %}

{#- Ids of the loads that the ledger has and the built table has not, as SQL constants: with constants a view of parsed
    rows parses the few rows that it must, with a subquery all of them. -#}
{% macro new_loads(built) -%}
    {%- set kind = config.require('meta')['kind'] -%}
    {%- set query -%}
    select readings.load_id
    from {{ ref('int_readings') }} as readings
    left join (select distinct _load_id, _declaration from {{ built }}) as known
        on readings.load_id = known._load_id and readings.declaration = known._declaration
    where readings.kind = {{ quote(kind) }} and known._load_id is null
    order by readings.load_id
    {%- endset -%}
    {{ return(found_by(query) | map('int') | list) }}
{%- endmacro %}

{#- The values that a query of one column finds. -#}
{% macro found_by(query) -%}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}

{#- Whether a row belongs to one of these loads. -#}
{% macro is_of_loads(loads) -%}
    {{ '_load_id in (' ~ loads | join(', ') ~ ')' if loads else 'false' }}
{%- endmacro %}

{#- Days (day) of a table of classified rows that are out of date. `staged` is what it is built from. Few readings and
    products are told apart first: looking each of many rows up takes several times as long. -#}
{% macro days_out_of_date(built, staged, instant) -%}
    select reading_days._day as day
    from (select distinct _day, _load_id, _declaration from {{ built }}) as reading_days
    left join {{ ref('int_readings') }} as readings
        on reading_days._load_id = readings.load_id and reading_days._declaration = readings.declaration
    where readings.load_id is null

    union

    select distinct {{ day_of(instant) }} as day
    from {{ staged }}
    where {{ is_of_loads(new_loads(built)) }}

    union

    select distinct _day as day
    from {{ built }}
    where
        reasons like '%unknown_product%'
        and product_id in (select product_id from {{ ref('int_products_unioned') }})

    union

    select distinct _day as day
    from {{ built }}
    where
        {{ is_taken_for_known() }}
        and product_id in (
            select product_id from {{ built }}
            where {{ is_taken_for_known() }}
            except
            select product_id from {{ ref('int_products_unioned') }}
        )
{%- endmacro %}

{#- Whether a classified row was built with a product that the shop knew; duplicates were not looked at. -#}
{% macro is_taken_for_known() -%}
    row_status != 'duplicate' and coalesce(reasons, '') not like '%unknown_product%'
{%- endmacro %}

{#- CTEs, the last of them 'rows_of_days_out_of_date': what is to be classified again. -#}
{% macro rows_of_days_out_of_date(built, staged, instant, columns) -%}
days as (

    {{ days_out_of_date(built, staged, instant) | indent(4) }}

),

arriving as (

    select {{ columns | join(', ') }} from {{ staged }}
    where {{ is_of_loads(new_loads(built)) }}

),

staying as (

    select {{ columns | join(', ') }} from {{ built }} as built
    inner join {{ ref('int_readings') }} as readings
        on built._load_id = readings.load_id and built._declaration = readings.declaration
    where built._day in (select day from days)

),

rows_of_days_out_of_date as (

    select * from arriving
    union all
    select * from staying

)
{%- endmacro %}

{#- Incremental strategy 'replace_days_out_of_date' of the models that classify rows. Its query is that of the model's own
    body, asked before anything is deleted. -#}
{% macro get_incremental_replace_days_out_of_date_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set staged = ref(config.require('meta')['staged']) -%}
    delete from {{ target }}
    where _day in ({{ days_out_of_date(target, staged, config.require('meta')['instant']) }});

    {{ insert_all(target, arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{% macro insert_all(target, source, columns) -%}
    {%- set names = columns | map(attribute='quoted') | join(', ') -%}
    insert into {{ target }} ({{ names }})
    select {{ names }} from {{ source }};
{%- endmacro %}

{#- Models below replace the days whose content changed: int_action_days knows each day's version, and the rows of a day
    carry the version that they were made from. -#}

{#- Days whose rows in the built table are missing or of another version, as SQL constants: with constants the actions of
    all other days are not even read. -#}
{% macro changed_days(built) -%}
    {{ return(dates_of(
        "select current_days.action_date
        from " ~ ref('int_action_days') ~ " as current_days
        left join (select distinct action_date, day_version from " ~ built ~ ") as built_days
            on current_days.action_date = built_days.action_date
            and current_days.version = built_days.day_version
        where built_days.action_date is null"
    )) }}
{%- endmacro %}

{#- The dates that a query of one column finds, as SQL constants. -#}
{% macro dates_of(query) -%}
    {%- set dates = [] -%}
    {%- for date in found_by(query) -%}
        {%- do dates.append("date '" ~ date ~ "'") -%}
    {%- endfor -%}
    {{ return(dates) }}
{%- endmacro %}

{#- Whether an action lies on one of these days. -#}
{% macro is_on(days) -%}
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
{% macro day_versions_of(built) -%}
    {{ built.incorporate(path={'identifier': built.identifier ~ '__day_versions'}) }}
{%- endmacro %}

{% macro record_day_versions(built) -%}
    create or replace table {{ day_versions_of(built) }} as
    select action_date, content, version from {{ ref('int_action_days') }}
{%- endmacro %}

{#- Pairs (user_id, product_id) with an action on a changed day, now or when the table was built. Of then, only a pair's first
    and last day are known: one too many does no harm. Where a day's rows are the ones of then, now tells them all. They are
    looked for once, before the table is built: its query and its strategy both need them. -#}
{% macro find_changed_pairs(built) -%}
    {% if is_incremental() -%}
    {%- set changed -%}
    select coalesce(current_days.action_date, built_days.action_date) as action_date
    from {{ ref('int_action_days') }} as current_days
    full outer join {{ day_versions_of(built) }} as built_days
        on current_days.action_date = built_days.action_date
    where
        current_days.version is null
        or built_days.version is null
        or current_days.version != built_days.version
    {%- endset -%}
    {%- set had_other_rows -%}
    select built_days.action_date
    from {{ day_versions_of(built) }} as built_days
    left join {{ ref('int_action_days') }} as current_days
        on built_days.action_date = current_days.action_date
        and built_days.content = current_days.content
    where current_days.action_date is null
    {%- endset %}
    create or replace temporary table {{ changed_pairs_of(built) }} as

    select
        user_id,
        product_id
    from {{ ref('int_actions_on_spine') }}
    where
        user_id is not null
        and {{ is_on(dates_of(changed)) }}

    union

    select
        user_id,
        product_id
    from {{ built }}
    where {{ overlaps(ranges_of(had_other_rows)) }}
    {%- endif %}
{%- endmacro %}

{#- The dates that a query of action_date finds, as ranges of days that follow each other: [first, last] as SQL constants. -#}
{% macro ranges_of(query) -%}
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
    {%- set found = [] -%}
    {%- for row in run_query(ranges).rows -%}
        {%- do found.append(["date '" ~ row[0] ~ "'", "date '" ~ row[1] ~ "'"]) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- Whether the days from a pair's first to its last share one with these ranges. A change of all days is one range; a join of
    the pairs with many ranges would take less time than a condition for each. -#}
{% macro overlaps(ranges) -%}
    {%- for first, last in ranges -%}
    {{ '\n        or ' if not loop.first -}}
    (cast(first_interaction_at as date) <= {{ last }} and cast(last_interaction_at as date) >= {{ first }})
    {%- else -%}
    false
    {%- endfor -%}
{%- endmacro %}

{% macro changed_pairs_of(built) -%}
    {{ built.identifier }}__changed_pairs
{%- endmacro %}

{#- Incremental strategy 'replace_changed_pairs'. -#}
{% macro get_incremental_replace_changed_pairs_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    delete from {{ target }}
    where (user_id, product_id) in (select user_id, product_id from {{ changed_pairs_of(target) }});

    {{ insert_all(target, arg_dict['temp_relation'], arg_dict['dest_columns']) }}

    drop table {{ changed_pairs_of(target) }};
{%- endmacro %}
