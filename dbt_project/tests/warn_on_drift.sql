{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_drift'}}}) }}

-- Warns of significant drift (audit_drift).
select
    concat(
        'drift of ', kind, ' ', name, ': PSI ', cast(psi as decimal(9, 2)), ' from ', current_first_date, ' to ',
        current_last_date, '; ', largest_shift
    ) as message
from {{ ref('audit_drift') }}
where drift_level = 'significant'
order by psi desc, kind, name
