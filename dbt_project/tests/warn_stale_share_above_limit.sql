{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_product_freshness'}}}) }}

-- Warns when more of the catalog, or of the places in lists, is stale than max_stale_share allows; it is said in words when the
-- test runs.
{% set stale %}
    with shares as (

        select
            'offered products' as of_what,
            count(case when is_stale then 1 end) as stale,
            count(*) as total
        from {{ ref('audit_product_freshness') }}
        union all
        select
            'places in lists' as of_what,
            sum(case when is_stale then list_count else 0 end) as stale,
            sum(list_count) as total
        from {{ ref('audit_product_freshness') }}

    )

    select
        of_what,
        {{ format_percent(share('stale', 'total')) }} as stale_share
    from shares
    where {{ share('stale', 'total') }} > {{ var('max_stale_share') }}
    order by of_what
{% endset %}

{% if execute and flags.WHICH in ('build', 'test') %}
    {% for row in run_query(stale).rows %}
        {% do exceptions.warn(row['stale_share'] ~ ' of the ' ~ row['of_what'] ~ ' are stale') %}
    {% endfor %}
{% endif %}

{{ stale }}
