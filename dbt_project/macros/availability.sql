{#- The words of Google, Meta, schema.org, WooCommerce and Shopify, without blanks, underscores and hyphens. A product
    that can be ordered before it is in stock is available. -#}
{% macro parse_availability(text, feed_column, feeds) -%}
    {%- set available = [
        'true', 't', 'yes', 'y', 'on', 'available', 'instock', 'limitedavailability', 'lowstock', 'onlineonly',
        'instoreonly', 'availablefororder', 'preorder', 'presale', 'backorder', 'onbackorder', 'backordered',
        'madetoorder', 'active', 'enabled', 'published', 'publish',
    ] -%}
    {%- set unavailable = [
        'false', 'f', 'no', 'n', 'off', 'unavailable', 'notavailable', 'outofstock', 'temporarilyoutofstock', 'nostock',
        'soldout', 'sold', 'reserved', 'discontinued', 'nolongeravailable', 'inactive', 'disabled', 'archived', 'draft',
        'pending', 'private', 'trash', 'deleted', 'unlisted', 'unpublished',
    ] -%}
    {%- set word = replace_all("regexp_replace(lower(" ~ text ~ "), '^(https?:)?(//)?(www[.])?schema[.]org/', '')",
        '[ _-]', '') -%}
    {%- set stock_count = parse_number(text, feed_column, feeds) -%}
    case
        {%- for feed in feeds if feed.available %}
        when {{ feed_column }} = {{ quote(feed.feed) }} and {{ is_word(text, feed.available) }} then true
        {%- endfor %}
        {%- for feed in feeds if feed.unavailable %}
        when {{ feed_column }} = {{ quote(feed.feed) }} and {{ is_word(text, feed.unavailable) }} then false
        {%- endfor %}
        when {{ word }} in ({{ quoted_list(available) }}) then true
        when {{ word }} in ({{ quoted_list(unavailable) }}) then false
        else {{ stock_count }} > 0
    end
{%- endmacro %}
