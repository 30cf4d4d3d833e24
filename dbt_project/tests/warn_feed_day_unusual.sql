{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Gives the warnings of audit_feed_days for the newest days (audit_warning_days).
{% set unusual %}
    select
        feed,
        delivery_day,
        warning
    from {{ ref('audit_feed_days') }}
    where
        warning is not null
        and delivery_day > (
            select {{ dbt.dateadd('day', -var('audit_warning_days'), 'max(delivery_day)') }}
            from {{ ref('audit_feed_days') }}
        )
    order by delivery_day, feed
{% endset %}

{% for day in run_test_query(unusual) %}
    {% do exceptions.warn(day['feed'] ~ ' of ' ~ day['delivery_day'] ~ ': ' ~ day['warning']) %}
{% endfor %}

{{ unusual }}
