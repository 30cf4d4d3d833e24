{{ config(materialized='view') }}

{{ affinity_to('category') }}
