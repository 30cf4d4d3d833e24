{{ config(materialized='view') }}

{{ affinity_by('category') }}
