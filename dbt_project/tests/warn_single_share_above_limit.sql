{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_files'}}}) }}

-- noqa: disable=LT02

-- Warns when one user or product has an implausible share of a feed's clean rows, as a word for a missing value has.
-- Every 16th line of a large feed suffices: counting all lines of ten million would take a second.
with feeds as (

    select feed, case when sum(clean) > 1000000 then 16 else 1 end as line_step
    from {{ ref('audit_files') }}
    group by feed
    having sum(clean) >= {{ var('min_single_share_rows') }}

),

loads as (

    select file_loads.load_id, feeds.feed, feeds.line_step
    from {{ ref('int_file_loads') }} as file_loads
    inner join feeds on file_loads.feed = feeds.feed

),

id_counts as (

    {% for kind in ['events', 'purchases', 'impressions'] -%}
    {% for id in ['user', 'product'] -%}
    select loads.feed, '{{ kind }}' as kind, '{{ id }}' as subject, classified.{{ id }}_id as id, count(*) as rows
    from {{ ref('int_' ~ kind ~ '_classified') }} as classified
    inner join loads on classified._load_id = loads.load_id
    where classified.row_status = 'clean' and classified._line % loads.line_step = 0
    group by loads.feed, classified.{{ id }}_id
    {{ 'union all' if not loop.last }}
    {% endfor -%}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

shares as (

    select
        *,
        {{ safe_divide('rows', 'sum(rows) over (partition by feed, subject)') }} as share
    from id_counts

)

-- The message has no id of a user: logs keep it after the customer was forgotten.
select
    concat(
        'implausible share: ', feed, ': ',
        case
            when subject = 'user'
                then concat(
                    'one user (select mode(user_id) from staging.stg_shop__', kind, ' where _feed = ''', feed, ''')'
                )
            else concat('product ''', id, '''')
        end,
        ' has ', {{ format_percent('share') }}, ' of the clean rows. If it stands for a missing value, declare ',
        'null_values: {', subject, '_id: [default, ''', case when subject = 'user' then 'ID' else id end,
        ''']} for the feed in the sources file'
    ) as message
from shares
where
    id is not null
    and share > case
        when subject = 'user' then {{ var('max_single_user_share') }} else {{ var('max_single_product_share') }}
    end
order by feed, subject, id
