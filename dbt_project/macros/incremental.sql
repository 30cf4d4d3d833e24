{#- One strategy for all incremental models that replace part of their rows. The macro that the model names in meta.outdated
    selects the values of unique_key whose rows are out of date. The model's query returns the new rows of these values,
    possibly none. dbt runs the query before the rows are deleted. -#}
{% macro get_incremental_replace_outdated_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set key = config.require('unique_key') -%}
    {%- set outdated = context[project_name][config.require('meta')['outdated']] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    delete from {{ target }}
    where ({{ key if key is string else key | join(', ') }}) in ({{ outdated(target) }});

    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }};
{%- endmacro %}

{#- dbt calls this for every model. An incremental table that other SQL has built is built in full. -#}
{% macro should_full_refresh() -%}
    {%- if config.get('full_refresh') is not none -%}
        {{ return(config.get('full_refresh')) }}
    {%- elif flags.FULL_REFRESH or not execute or model.config.materialized != 'incremental' -%}
        {{ return(flags.FULL_REFRESH) }}
    {%- endif -%}
    {{ return(load_relation(this) is not none and not has_current_sql()) }}
{%- endmacro %}

{#- Kinds of rows that are classified by day, with the column of their time. -#}
{% macro incremental_kinds() -%}
    {{ return({
        'events': 'event_at',
        'purchases': 'purchased_at',
        'impressions': 'seen_at',
        'recommendation_lists': 'published_at',
        'served_lists': 'served_at',
    }) }}
{%- endmacro %}

{#- The strategy calls outdated_days, changed_days and changed_pairs alike, so each of them takes the built table. -#}
{% macro outdated_days(built) -%}
    select row_date from {{ ref('int_outdated_days') }}
    where kind = '{{ config.require('meta')['kind'] }}'
{%- endmacro %}

{#- Null when no day is outdated; then no list is. The tables are compared, so that the build after a killed one finds the
    lists that this one had classified already. -#}
{% macro first_outdated_list_day(built) -%}
    (
        select min(coalesce(classified_days.row_date, built_days.row_date))
        from (
            select
                _row_date as row_date,
                {{ list_day_sums() }}
            from {{ ref('int_recommendation_lists_classified') }}
            where row_status = 'clean' and {{ is_in_sample('user_id') }}
            group by _row_date
        ) as classified_days
        full join (
            select
                cast(published_at as date) as row_date,
                {{ list_day_sums() }}
            from {{ built }}
            group by cast(published_at as date)
        ) as built_days on classified_days.row_date = built_days.row_date
        where
            coalesce(classified_days.lists, 0) != coalesce(built_days.lists, 0)
            or classified_days.loads != built_days.loads
            or classified_days.lines != built_days.lines
    )
{%- endmacro %}

{#- A reloaded file has a new _load_id. -#}
{% macro list_day_sums() -%}
    count(*) as lists,
    sum(_load_id) as loads,
    sum(_line) as lines
{%- endmacro %}

{#- A list before the first outdated day changes only if no other list had followed it by then. -#}
{% macro outdated_lists(built) -%}
    select
        _load_id,
        _line
    from {{ built }}
    where
        cast(published_at as date) >= {{ first_outdated_list_day(built) }}
        or cast(coalesce(live_until, {{ max_valid_to() }}) as date) >= {{ first_outdated_list_day(built) }}
{%- endmacro %}

{#- In an incremental build, the lists since the first outdated day, and those that were live at its start or that a list of
    these days followed. -#}
{% macro lists_to_build(columns) -%}
    select {{ columns | join(', ') }} from {{ ref('int_recommendation_lists_classified') }}
    where
        row_status = 'clean' and {{ is_in_sample('user_id') }}
        {%- if is_incremental() %}
        and _row_date >= {{ first_outdated_list_day(this) }}

    union all

    select {{ columns | join(', ') }} from {{ this }}
    where
        cast(published_at as date) < {{ first_outdated_list_day(this) }}
        and cast(coalesce(live_until, {{ max_valid_to() }}) as date) >= {{ first_outdated_list_day(this) }}
        {%- endif %}
{%- endmacro %}

{#- Later than every earlier change, even when the clock was set back. -#}
{% macro change_time() -%}
    {%- set started_at = "timestamp '" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "'" -%}
    {%- if is_incremental() -%}
    (
        select greatest({{ started_at }}, coalesce({{ dbt.dateadd('microsecond', 1, 'max(changed_at)') }}, {{ started_at }}))
        from {{ this }}
    )
    {%- else -%}
    {{ started_at }}
    {%- endif -%}
{%- endmacro %}

{% macro newest_change() -%}
    (select max(changed_at) from {{ ref('int_action_days') }})
{%- endmacro %}

{#- The second part finds days that lost all their actions before int_action_days was made anew. -#}
{% macro changed_days(built, date_column='action_date') -%}
    select action_date from {{ ref('int_action_days') }}
    where changed_at > (select coalesce(max(actions_changed_at), {{ min_valid_from() }}) from {{ built }})

    union

    select cast({{ date_column }} as date) from {{ built }}
    where cast({{ date_column }} as date) not in (select action_date from {{ ref('int_action_days') }})
{%- endmacro %}

{#- Pairs of user and product with an action on a changed day, now or when the table was built. -#}
{% macro changed_pairs(built) -%}
    select
        user_id,
        product_id
    from {{ ref('int_actions_with_periods') }}
    where action_date in ({{ changed_days(built, 'valid_from') }})

    union

    select
        user_id,
        product_id
    from {{ built }}
    where cast(valid_from as date) in ({{ changed_days(built, 'valid_from') }})
{%- endmacro %}

{#- The rows of a classified table from the last build. A ref would make a circle in the lineage. Columns that the table
    does not have are null. -#}
{% macro built_rows(kind, columns) -%}
    {%- set built = load_relation(this.incorporate(path={'identifier': 'int_' ~ kind ~ '_classified'})) if execute -%}
    {%- set built_names = adapter.get_columns_in_relation(built) | map(attribute='name') | list if built else [] -%}
    {%- set types = {
        '_load_id': dbt.type_bigint(), '_typing_fingerprint': dbt.type_bigint(), '_row_date': 'date',
        'is_session_user': 'boolean',
    } -%}
    select
        {%- for column in columns %}
        {{ column if column in built_names else 'cast(null as ' ~ types.get(column, dbt.type_string()) ~ ') as ' ~ column }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    {% if built -%}
    from {{ built }}
    {%- else -%}
    where 1 = 0
    {%- endif -%}
{%- endmacro %}
