{#- The type of a device by its name in the files. -#}
{% macro device_type(column) -%}
    case
        when lower({{ column }}) in ('web', 'desktop', 'browser', 'website', 'computer', 'laptop', 'pc') then 'web'
        when lower({{ column }}) in (
                'mobile', 'mobile app', 'mobile_app', 'app', 'phone', 'smartphone', 'tablet',
                'android', 'ios', 'iphone', 'ipad'
            ) then 'mobile'
        else 'unknown'
    end
{%- endmacro %}
