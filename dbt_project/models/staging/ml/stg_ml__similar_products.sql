select
    similar_products.run_id,
    similar_products.product_id,
    similar_products.rank,
    similar_products.similar_product_id,
    similar_products.score
from {{ source('ml', 'similar_products') }} as similar_products
inner join {{ source('ml', 'model_runs') }} as runs
    on similar_products.run_id = runs.run_id
    and runs.is_serving
