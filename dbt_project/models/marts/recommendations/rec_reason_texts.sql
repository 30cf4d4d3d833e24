select
    reason_key,
    reason_text
from {{ ref('reason_texts') }}
