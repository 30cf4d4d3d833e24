{#- dbt runs every data test by this name. The result gets the messages of the failing rows, their fingerprint and their
    number, and an accepted failure warns. A macro, because sqlfluff does not know the tag materialization. -#}
{% macro materialization_test_default() -%}
    {%- set relations = dbt.materialization_test_default() -%}
    {%- set failure_count, has_warned, has_failed = load_result('main').table.rows[0].values() -%}
    {%- if has_warned or has_failed -%}
        {%- set rows = run_query(get_limit_subquery_sql(sql, max_reported_rows())) -%}
        {%- set fingerprint = fingerprint_rows(rows, failure_count) -%}
        {%- set messages = list_messages(rows, failure_count) -%}
        {%- set acceptances = read_acceptances(model.name, fingerprint) if has_failed else [] -%}
        {%- for accepted in acceptances -%}
            {%- do messages.append(
                'accepted by ' ~ accepted['accepted_by'] ~ ' at ' ~ accepted['accepted_at'] ~ ' UTC because: '
                ~ accepted['why']
            ) if loop.last -%}
        {%- endfor -%}
        {%- set counts = run_query(
            'select ' ~ failure_count ~ ', ' ~ (has_warned or acceptances | length > 0) ~ ', '
            ~ (has_failed and acceptances | length == 0)
        ).rename(['failures', 'should_warn', 'should_error']) -%}
        {%- do store_raw_result('main', messages | join('\n'), fingerprint, failure_count | string, counts) -%}
    {%- endif -%}
    {{ return(relations) }}
{%- endmacro %}

{#- Messages of a test that its result lists. -#}
{% macro max_listed_messages() -%}
    {{ return(30) }}
{%- endmacro %}

{% macro list_messages(rows, row_count) -%}
    {%- set messages = rows.columns['message'].values() | list if 'message' in rows.column_names else [] -%}
    {%- if messages | length > max_listed_messages() -%}
        {%- set more_count = row_count - max_listed_messages() -%}
        {%- set messages = messages[:max_listed_messages()] + ['and ' ~ more_count ~ ' more rows'] -%}
    {%- endif -%}
    {{ return(messages) }}
{%- endmacro %}

{#- Of more failing rows, only the number is in the fingerprint: the database returns other ones each time. -#}
{% macro max_reported_rows() -%}
    {{ return(1000) }}
{%- endmacro %}

{% macro fingerprint_rows(table, row_count) -%}
    {%- set texts = [] -%}
    {%- if table.rows | length < max_reported_rows() -%}
        {%- for row in table.rows -%}
            {%- do texts.append(row.values() | join('\t')) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(local_md5(row_count ~ '\n' ~ texts | sort | join('\n'))) }}
{%- endmacro %}

{#- `recomart accept` writes the acceptances. -#}
{% macro read_acceptances(test_name, fingerprint) -%}
    {{ return(adapter.dispatch('read_acceptances')(test_name, fingerprint)) }}
{%- endmacro %}

{% macro default__read_acceptances(test_name, fingerprint) -%}
    {{ return([]) }}
{%- endmacro %}

{% macro duckdb__read_acceptances(test_name, fingerprint) -%}
    {%- set file = quote('/'.join(target.path.split('/')[:-1]) ~ '/accepted_failures.jsonl') -%}
    {#- A missing file is an error for read_json. -#}
    {%- if run_query('from glob(' ~ file ~ ')').rows | length == 0 -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set query -%}
        select accepted_by, accepted_at, why
        from read_json(
            {{ file }},
            format = 'newline_delimited',
            columns = {test: 'varchar', fingerprint: 'varchar', accepted_by: 'varchar', accepted_at: 'varchar', why: 'varchar'}
        )
        where test = {{ quote(test_name) }} and fingerprint = {{ quote(fingerprint) }}
    {%- endset -%}
    {{ return(run_query(query).rows) }}
{%- endmacro %}
