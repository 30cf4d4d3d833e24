{{ config(materialized='view') }}

{{ affinity_by('brand') }}
