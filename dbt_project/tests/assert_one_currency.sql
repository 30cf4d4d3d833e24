{{ config(meta={'dagster': {'ref': {'name': 'audit_files'}}}) }}

-- noqa: disable=LT02

-- Stops a run before training when clean rows have prices in several currencies and the sources file does not say how
-- to convert them. With a declared currency, rows of a currency without a rate are quarantined instead.
-- depends_on: {{ ref('audit_files') }}
with classified as (

    {% for kind in ['events', 'purchases', 'products'] -%}
    select currency from {{ ref('int_' ~ kind ~ '_classified') }}
    where currency is not null and row_status = 'clean'
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

counts as (

    select
        currency,
        count(*) as rows,
        row_number() over (order by count(*) desc, currency) as currency_rank
    from classified
    group by currency

),

summary as (

    select
        count(*) as currency_count,
        max(case when currency_rank = 1 then currency end) as main_currency,
        {{ dbt.listagg("concat(currency, ' in ', rows, ' rows')", "', '", 'order by currency_rank') }} as row_counts,
        {{ dbt.listagg(
            "case when currency_rank > 1 then concat(currency, ': RATE') end", "', '", 'order by currency_rank'
        ) }} as rates
    from counts

)

select
    concat(
        'prices have several currencies: ', row_counts, '. Declare the currency of the shop and the rates of the ',
        'others in the sources file, such as currency: ', main_currency, ' and exchange_rates: {', rates, '}'
    ) as message
from summary
where
    currency_count > 1
    and not exists (
        select 1 from {{ source('raw', 'feeds') }}
        where {{ json_text('settings', 'currency') }} is not null
    )
