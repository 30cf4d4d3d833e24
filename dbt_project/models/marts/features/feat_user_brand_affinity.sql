{{ config(materialized='view') }}

{{ affinity_to('brand') }}
