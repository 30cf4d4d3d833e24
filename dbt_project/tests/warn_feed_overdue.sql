{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Warns of a feed from which nothing has come for many times its usual pause, beside the newest day of any feed or by the
-- clock; each is said in words when the test runs. A feed that came once has no usual pause.
{% set silent %}
    with deliveries as (

        select
            feed,
            delivery_day,
            last_loaded_at,
            {{ dbt.datediff('lag(delivery_day) over (partition by feed order by delivery_day)', 'delivery_day', 'day') }}
                as pause
        from {{ ref('audit_feed_days') }}
        where files > 0

    ),

    feeds as (

        select
            feed,
            max(delivery_day) as last_date,
            max(last_loaded_at) as last_loaded_at,
            percentile_cont(0.5) within group (order by pause) as usual_pause
        from deliveries
        group by feed

    ),

    waits as (

        select
            *,
            greatest(
                {{ dbt.datediff('last_date', '(select max(delivery_day) from deliveries)', 'day') }},
                {{ dbt.datediff('last_loaded_at', dbt.current_timestamp(), 'day') }}
            ) as days
        from feeds

    )

    select
        feed,
        last_date,
        days,
        cast(usual_pause as {{ dbt.type_bigint() }}) as usual_pause
    from waits
    where days >= {{ var('audit_overdue_multiple') }} * usual_pause
    order by feed
{% endset %}

{% if execute and flags.WHICH in ('build', 'test') %}
    {% for wait in run_query(silent).rows %}
        {% do exceptions.warn(
            wait['feed'] ~ ': nothing for ' ~ wait['days'] ~ ' days, the newest of ' ~ wait['last_date'] ~ '; every '
            ~ wait['usual_pause'] ~ ' days is usual'
        ) %}
    {% endfor %}
{% endif %}

{{ silent }}
