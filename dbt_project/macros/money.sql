{#- parse_number limits prices to 1e10, so 18 digits are enough. -#}
{% macro cast_to_price(expression) -%}
    cast({{ expression }} as decimal(18, 4))
{%- endmacro %}

{#- A quantity times a price can be up to 1e20, so one bad line would stop a build with 18 digits. -#}
{% macro cast_to_amount(expression) -%}
    cast({{ expression }} as decimal(38, 4))
{%- endmacro %}

{% macro parse_price(column, feed_column, feeds) -%}
    {%- set number = parse_number(column, feed_column, feeds, is_price=true) -%}
    {%- set divided_feeds = feeds | selectattr('price_divisor', 'defined') | list -%}
    {%- if divided_feeds and mapped_columns([column.split('.') | last], feeds) -%}
    {{ number }} / case {{ feed_column }}
        {%- for feed in divided_feeds %}
        when {{ quote(feed.feed) }} then {{ feed.price_divisor }}
        {%- endfor %}
        else 1
    end
    {%- else -%}
    {{ number }}
    {%- endif -%}
{%- endmacro %}

{#- Signs and abbreviations with their currencies. A sign of several currencies means the shop's own currency, else the
    one with a declared exchange rate, else the first one. -#}
{% macro currency_signs(feeds) -%}
    {%- set currencies_by_sign = {
        'US$': ['USD'], 'R$': ['BRL'], 'C$': ['CAD'], 'CA$': ['CAD'], 'A$': ['AUD'], 'AU$': ['AUD'], 'NZ$': ['NZD'],
        'HK$': ['HKD'], 'S$': ['SGD'], 'MX$': ['MXN'], '\u20ac': ['EUR'], 'EURO': ['EUR'], '\u00a3': ['GBP'],
        '\u20bd': ['RUB'], '\u20b9': ['INR'], '\u20ba': ['TRY'], '\u20b4': ['UAH'], '\u20a9': ['KRW'],
        '\u20ab': ['VND'], '\u0e3f': ['THB'], '\u20aa': ['ILS'], '\u20b1': ['PHP'], '\u20a6': ['NGN'],
        'Z\u0141': ['PLN'], 'K\u010c': ['CZK'], 'FT': ['HUF'], 'LEI': ['RON'], 'TL': ['TRY'], 'RP': ['IDR'],
        'RM': ['MYR'], 'FR': ['CHF'], 'SFR': ['CHF'], '\u041b\u0412': ['BGN'], '\u0420\u0423\u0411': ['RUB'],
        '\u5186': ['JPY'], '\u5143': ['CNY'],
        'RS': ['INR', 'PKR', 'LKR', 'NPR'], '\u00a5': ['JPY', 'CNY'], 'KR': ['SEK', 'NOK', 'DKK', 'ISK'],
        '$': ['USD', 'CAD', 'AUD', 'NZD', 'SGD', 'HKD', 'MXN', 'TWD', 'ARS', 'CLP', 'COP'],
        'R': ['ZAR'],
    } -%}
    {%- set shop = feeds[0] if feeds else {} -%}
    {%- set known = [shop.currency] + (shop.exchange_rates or {}).keys() | list -%}
    {%- set signs = {} -%}
    {%- for sign, currencies in currencies_by_sign.items() -%}
        {%- set fitting = known | select('in', currencies) | list -%}
        {%- do signs.update({sign: (fitting + currencies)[0]}) -%}
    {%- endfor -%}
    {{ return(signs) }}
{%- endmacro %}

{% macro currency_pattern() -%}
    {%- set codes = 'AED ALL AMD ARS AUD AZN BAM BDT BGN BHD BOB BRL BYN CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP EUR '
        ~ 'GBP GEL GHS GTQ HKD HNL HRK HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KRW KWD KZT LAK LBP LKR MAD '
        ~ 'MDL MKD MMK MNT MOP MUR MXN MYR NGN NIO NOK NPR NZD OMR PAB PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK SGD '
        ~ 'THB TND TRY TWD TZS UAH UGX USD UYU UZS VES VND XAF XOF ZAR ZMW' -%}
    {%- set patterns = [] -%}
    {%- for sign in currency_signs([]) -%}
        {%- do patterns.append(sign | replace('$', '[$]') ~ ('[.]?' if sign[-1].isalpha() else '')) -%}
    {%- endfor -%}
    {{ (codes.split(' ') + patterns) | join('|') }}
{%- endmacro %}

{% macro currency_in_price(text) -%}
    {{ return(adapter.dispatch('currency_in_price')(text)) }}
{%- endmacro %}

{#- The cast costs a tenth of the regular expression, and most prices are plain numbers. -#}
{% macro duckdb__currency_in_price(text) -%}
    case
        when {{ text }} is null or try_cast({{ text }} as double) is not null then null
        else nullif(regexp_extract({{ text }}, '(?i){{ currency_pattern() }}'), '')
    end
{%- endmacro %}

{#- Most events have no price; the first condition spares them the comparisons with the signs. -#}
{% macro parse_currency(currency_text, price_text, feeds) -%}
    {%- if not mapped_columns(['currency', 'price', 'line_total'], feeds) -%}
    cast(null as {{ dbt.type_string() }})
    {%- else -%}
    {%- set text = 'upper(replace(coalesce(' ~ currency_text ~ ', ' ~ currency_in_price(price_text) ~ "), '.', ''))" -%}
    case
        when {{ currency_text }} is null and {{ price_text }} is null then null
        else case {{ text }}
            {%- for sign, currency in currency_signs(feeds).items() %}
            when {{ quote(sign) }} then {{ quote(currency) }}
            {%- endfor %}
            else {{ text }}
        end
    end
    {%- endif -%}
{%- endmacro %}

{% macro price_in_shop_currency(price, currency, feeds) -%}
    {%- set shop = feeds[0] if feeds else {} -%}
    {%- if shop.currency -%}
    case
        when {{ currency }} is null or {{ currency }} = {{ quote(shop.currency) }} then {{ price }}
        {%- for other_currency, rate in (shop.exchange_rates or {}).items() %}
        when {{ currency }} = {{ quote(other_currency) }} then {{ price }} * {{ rate }}
        {%- endfor %}
    end
    {%- else -%}
    {{ price }}
    {%- endif -%}
{%- endmacro %}

{% macro currency_without_rate(currency, price, feeds) -%}
    {%- set shop = feeds[0] if feeds else {} -%}
    {%- if shop.currency -%}
    case
        when
            {{ price }} is not null
            and {{ currency }} not in ({{ quoted_list([shop.currency] + (shop.exchange_rates or {}).keys() | list) }})
            then {{ currency }}
    end
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}

{#- The price of a piece. A return can have a negative quantity, a negative amount, or both. -#}
{% macro unit_price(feeds) -%}
    case
        when price_number < 0 and quantity < 0 then -price_number
        when price_number is not null then price_number
        when line_total is not null and {{ unreadable_text('price', feeds, value='price_number') }} is null
            then case when line_total < 0 and quantity < 0 then -line_total else line_total end
                / nullif(abs(coalesce(quantity, 1)), 0)
    end
{%- endmacro %}

{% macro unreadable_price(feeds) -%}
    case
        when unit_price is null then coalesce(
            {{ unreadable_text('price', feeds, value='price_number') }},
            {{ unreadable_text('line_total', feeds) }}
        )
    end
{%- endmacro %}

{#- Prices are in the shop's currency where the sources file declares one. -#}
{% macro price_currency(price, currency, feeds) -%}
    {%- set shop = feeds[0] if feeds else {} -%}
    case
        when {{ price }} is null then null
        {%- if shop.currency %}
        else {{ quote(shop.currency) }}
        {%- else %}
        when {{ is_currency_code(currency) }} then {{ currency }}
        {%- endif %}
    end
{%- endmacro %}

{% macro is_currency_code(text) -%}
    regexp_replace({{ text }}, '^[A-Z]{3}$', '') = ''
{%- endmacro %}

{#- With a declared currency, such a row is quarantined instead. -#}
{% macro unknown_currency(currency, price, feeds) -%}
    {%- set shop = feeds[0] if feeds else {} -%}
    {%- if shop.currency or not mapped_columns(['currency'], feeds) -%}
    cast(null as {{ dbt.type_string() }})
    {%- else -%}
    case
        when {{ price }} is not null and {{ currency }}_text is not null and not {{ is_currency_code(currency) }}
            then {{ currency }}_text
    end
    {%- endif -%}
{%- endmacro %}

{#- 35 is more likely to be 35 % than 35 times the price, but no file says so: without a percent sign it is unread. -#}
{% macro parse_margin(column, feed_column, feeds) -%}
    {%- if not mapped_columns([column.split('.') | last], feeds) -%}
    cast(null as {{ type_double() }})
    {%- else -%}
    {%- set share = parse_number(column, feed_column, feeds) -%}
    {%- set percent_text = "trim(replace(" ~ column ~ ", '%', ''))" -%}
    {%- set percent = cast_or_null(normalize_decimal_mark(percent_text, feed_column, feeds), type_double()) -%}
    case
        when {{ column }} like '%\%' escape '\' then case when {{ percent }} between -100 and 100 then {{ percent }} / 100 end
        when {{ share }} between -1 and 1 then {{ share }}
    end
    {%- endif -%}
{%- endmacro %}
