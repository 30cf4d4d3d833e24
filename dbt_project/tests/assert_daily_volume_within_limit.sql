{{ config(meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Stops a run before training when a newest day has many times the usual lines and is not in the seed expected_jumps.
-- Where the usual value is 0, min_audit_lines replaces it.
{% set unexpected %}
    select
        days.feed,
        days.delivery_day,
        days.lines,
        cast(days.usual_lines as {{ dbt.type_bigint() }}) as usual_lines
    from {{ ref('audit_feed_days') }} as days
    left join {{ ref('expected_jumps') }} as expected
        on lower(days.feed) = lower({{ clean_text('expected.feed') }}) and days.delivery_day = expected.delivery_day
    where
        days.is_volume_jump
        and days.lines >= {{ var('audit_volume_limit') }}
            * case when days.usual_lines > 0 then days.usual_lines else {{ var('min_audit_lines') }} end
        and expected.feed is null
        and days.delivery_day > (
            select {{ dbt.dateadd('day', -var('audit_warning_days'), 'max(delivery_day)') }}
            from {{ ref('audit_feed_days') }}
        )
    order by days.delivery_day, days.feed
{% endset %}

{% set days = run_test_query(unexpected) %}
{% if days %}
    {% set messages, lines = [], [] %}
    {% for day in days %}
        {% do messages.append(
            day['feed'] ~ ' of ' ~ day['delivery_day'] ~ ': ' ~ day['lines'] ~ ' lines where '
            ~ day['usual_lines'] ~ ' are usual'
        ) %}
        {% do lines.append("'" ~ day['feed'] ~ ',' ~ day['delivery_day'] ~ ",why'") %}
    {% endfor %}
    {% do exceptions.raise_compiler_error(
        messages | join('; ') ~ '. If the volume is correct, add ' ~ lines | join(' and ')
        ~ ' to dbt_project/seeds/expected_jumps.csv; otherwise deliver the file again'
    ) %}
{% endif %}

{{ unexpected }}
