{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_drift'}}}) }}

-- Warns of what has shifted (audit_drift); each is said in words when the test runs.
{% set shifted %}
    select
        kind,
        name,
        cast(psi as decimal(9, 2)) as psi,
        moved_most,
        present_first_day,
        present_last_day
    from {{ ref('audit_drift') }}
    where reading = 'shifted'
    order by psi desc, kind, name
{% endset %}

{% if execute and flags.WHICH in ('build', 'test') %}
    {% for row in run_query(shifted).rows %}
        {% do exceptions.warn(
            'drift of ' ~ row['kind'] ~ ' ' ~ row['name'] ~ ': PSI ' ~ row['psi'] ~ ' from ' ~ row['present_first_day']
            ~ ' to ' ~ row['present_last_day'] ~ '; ' ~ row['moved_most']
        ) %}
    {% endfor %}
{% endif %}

{{ shifted }}
