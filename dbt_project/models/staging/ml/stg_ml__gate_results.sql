select
    run_id,
    gate,
    is_passed,
    finding
from {{ source('ml', 'gate_results') }}
