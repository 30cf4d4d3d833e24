{{ config(meta={'dagster': {'ref': {'name': 'audit_files'}}}) }}

-- noqa: disable=LT02

-- Stops a run before training when clean rows have prices in several currencies and the sources file does not say how
-- to convert them. With a declared currency, rows of a currency without a rate are quarantined instead.
-- depends_on: {{ ref('audit_files') }}
{% set currencies %}
    with classified as (

        {% for kind in ['events', 'purchases', 'products'] -%}
        select currency, row_status from {{ ref('int_' ~ kind ~ '_classified') }}
        where currency is not null
        {{ 'union all' if not loop.last }}
        {% endfor %}
    ),

    counts as (

        select currency, count(*) as rows from classified
        where row_status = 'clean'
        group by currency

    )

    select currency, rows from counts
    where
        (select count(*) from counts) > 1
        and not exists (
            select 1 from {{ source('raw', 'feeds') }}
            where {{ json_text('settings', 'currency') }} is not null
        )
    order by counts.rows desc, currency
{% endset %}

{% set rows = run_test_query(currencies) %}
{% if rows %}
    {% set counts, rates = [], [] %}
    {% for row in rows %}
        {% do counts.append(row['currency'] ~ ' in ' ~ row['rows'] ~ ' rows') %}
        {% do rates.append(row['currency'] ~ ': RATE') if not loop.first %}
    {% endfor %}
    {% do exceptions.raise_compiler_error(
        'prices have several currencies: ' ~ counts | join(', ') ~ '. Declare the currency of the shop and the rates '
        ~ 'of the others in the sources file, such as currency: ' ~ rows[0]['currency'] ~ ' and exchange_rates: {'
        ~ rates | join(', ') ~ '}'
    ) %}
{% endif %}

{{ currencies }}
