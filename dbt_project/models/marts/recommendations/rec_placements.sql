select
    placement,
    title,
    list_kind,
    coalesce(list_length, {{ var('top_n') }}) as list_length,
    max_per_category,
    fallback
from {{ ref('placements') }}
