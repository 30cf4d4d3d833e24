{#- Most wrong values would otherwise cause an unclear database error, or wrong lists without an error. -#}
{% macro require_variables() %}
    {% set whole_number = {'whole': true, 'at least': 1} %}
    {% set positive = {'above': 0} %}
    {% set factor = {'above': 1} %}
    {% set share = {'at least': 0, 'at most': 1} %}
    {% set positive_share = {'above': 0, 'at most': 1} %}
    {% set allowed_ranges = {
        'evaluation_share': {'above': 0, 'below': 0.5},
        'top_n': whole_number,
        'filler_products': {'whole': true, 'at least': var('top_n') if var('top_n') is number else 1},
        'min_customers_served_share': share,
        'max_product_pairs': whole_number,
        'new_arrival_days': whole_number,
        'max_home_candidates': whole_number,
        'product_trend_weeks': whole_number,
        'max_order_products': {'whole': true, 'at least': 2},
        'popularity_half_life_days': positive,
        'audit_volume_jump': factor,
        'audit_volume_limit': factor,
        'audit_overdue_multiple': positive,
        'audit_bad_share_jump': positive_share,
        'min_audit_lines': whole_number,
        'audit_warning_days': whole_number,
        'max_unread_values': whole_number,
        'max_single_user_share': positive_share,
        'max_single_product_share': positive_share,
        'min_single_share_rows': whole_number,
        'drift_current_days': whole_number,
        'drift_reference_days': whole_number,
        'max_drift_bins': whole_number,
        'min_drift_share': positive_share,
        'drift_moderate_psi': positive,
        'drift_significant_psi': positive,
        'stale_interval_multiple': positive,
        'min_stale_days': positive,
        'min_whole_catalog_share': positive_share,
        'max_stale_share': share,
        'max_coverage_drop': share,
        'min_repeat_share': share,
        'min_repeat_share_purchases': whole_number,
        'repeat_due_share': {'at least': 0, 'at most': 10},
        'fatigue_impressions': {'whole': true, 'at least': 0},
        'fatigue_days': whole_number,
        'effect_days_before': whole_number,
        'order_cap_quantile': positive_share,
        'explore_share': {'at least': 0, 'at most': 0.2},
        'sample_share': positive_share,
    } %}
    {% set messages = [] %}
    {% for name, range in allowed_ranges.items() %}
        {% set value = var(name) %}
        {% set is_number = (value is integer) if range.whole else (value is number and value is not boolean) %}
        {#- value - value is not 0 for nan and infinite numbers. -#}
        {% if not (
            is_number
            and value - value == 0
            and value >= range.get('at least', value)
            and value <= range.get('at most', value)
            and ('above' not in range or value > range['above'])
            and ('below' not in range or value < range['below'])
        ) %}
            {% set bounds = [] %}
            {% for bound, limit in range.items() if bound != 'whole' %}
                {% do bounds.append(bound ~ ' ' ~ limit) %}
            {% endfor %}
            {% do messages.append(
                name ~ ' is ' ~ value ~ ' and must be a ' ~ ('whole ' if range.whole) ~ 'number, ' ~ bounds | join(' and ')
            ) %}
        {% endif %}
    {% endfor %}
    {% if var('repeat_purchases') not in ['auto', 'always', 'never'] %}
        {% do messages.append(
            'repeat_purchases is ' ~ var('repeat_purchases') ~ ' and must be a word: auto, always or never'
        ) %}
    {% endif %}
    {% if var('primary_metric') not in experiment_metrics() %}
        {% do messages.append(
            'primary_metric is ' ~ var('primary_metric') ~ ' and must be a metric: ' ~ experiment_metrics() | join(', ')
        ) %}
    {% endif %}
    {% if var('sample_share') != 1 and target.name != 'dev' and messages | length == 0 %}
        {% do messages.append('sample_share is ' ~ var('sample_share') ~ ' and must be 1 in target ' ~ target.name) %}
    {% endif %}
    {% if execute and messages %}
        {% do exceptions.raise_compiler_error(
            'invalid variables: dbt_project/dbt_project.yml: ' ~ messages | join('; ')
            ~ '. Correct them there or in --vars'
        ) %}
    {% endif %}
{% endmacro %}
