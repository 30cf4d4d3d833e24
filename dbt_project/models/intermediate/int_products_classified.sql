with products as (

    select * from {{ ref('stg_shop__products') }}

),

files as (

    select
        _feed,
        _file,
        {{ delivery_day(
            '_file',
            'coalesce(max(case when not is_excluded then updated_at end), max(updated_at))',
            'max(loaded_at)'
        ) }} as delivery_day
    from products
    group by _feed, _file

),

-- The attributes of a row without a date hold from the day that its file is about.
dated_rows as (

    select
        products.*,
        files.delivery_day,
        coalesce(products.updated_at, cast(files.delivery_day as {{ dbt.type_timestamp() }})) as effective_at
    from products
    inner join files on products._feed = files._feed and products._file = files._file

),

-- A catalog is delivered in full again and again, so only a row with changed attributes is a new version. Excluded rows
-- are no versions, so they are compared apart.
rows_with_fingerprint as (

    select
        *,
        {{ fingerprint([
            'product_name', 'category', 'brand', 'price', 'currency', 'popularity_score', 'is_available',
            'unreadable_price', 'margin', 'product_url', 'image_url',
        ]) }} as attributes_fingerprint
    from dated_rows

),

rows_with_previous as (

    select
        *,
        lag(attributes_fingerprint) over (
            partition by _feed, product_id, is_excluded
            order by effective_at nulls first, {{ natural_sort_key('_file') }}, _file, _line
        ) as previous_attributes_fingerprint
    from rows_with_fingerprint

),

checked as (

    select
        *,
        coalesce(attributes_fingerprint = previous_attributes_fingerprint, false) as is_duplicate,
        {{ broken_rules({
            'missing_joined_row': 'is_unjoined',
            'missing_product': 'product_id is null and not ' ~ is_kept_as_text('product_id'),
            'bad_price': 'price < 0 or unreadable_price is not null',
            'unknown_currency': 'unreadable_currency is not null',
            'rounded_id': 'rounded_ids is not null',
            'object_as_id': 'nested_ids is not null',
        }) }} as broken_rules
    from rows_with_previous

)

select
    product_id,
    product_name,
    category,
    brand,
    price,
    currency,
    popularity_score,
    is_available,
    updated_at,
    margin,
    product_url,
    image_url,
    delivery_day,
    effective_at,
    unreadable_price,
    unreadable_currency,
    rounded_ids,
    nested_ids,
    unread_values,
    case
        when is_excluded then 'excluded'
        when is_duplicate then 'duplicate'
        when broken_rules is not null then 'quarantined'
        else 'clean'
    end as row_status,
    case when not is_excluded and not is_duplicate then broken_rules end as reasons,
    _extra,
    _feed,
    _file,
    _line,
    _load_id
from checked
