{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_drift'}}}) }}

-- Warns of significant drift (audit_drift).
{% set drifted %}
    select
        kind,
        name,
        cast(psi as decimal(9, 2)) as psi,
        largest_shift,
        current_first_date,
        current_last_date
    from {{ ref('audit_drift') }}
    where drift_level = 'significant'
    order by psi desc, kind, name
{% endset %}

{% for row in run_test_query(drifted) %}
    {% do exceptions.warn(
        'drift of ' ~ row['kind'] ~ ' ' ~ row['name'] ~ ': PSI ' ~ row['psi'] ~ ' from ' ~ row['current_first_date']
        ~ ' to ' ~ row['current_last_date'] ~ '; ' ~ row['largest_shift']
    ) %}
{% endfor %}

{{ drifted }}
