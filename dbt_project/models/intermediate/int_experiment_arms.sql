{{ config(materialized='view') }}

select
    {{ clean_text('name') }} as experiment,
    {{ clean_text('arm') }} as arm,
    {{ clean_text('policy') }} as policy,
    share,
    share / sum(share) over (partition by {{ clean_text('name') }}) as expected_share,
    starts_on,
    ends_on
from {{ experiment_rows() }}
