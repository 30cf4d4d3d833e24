{% macro share_of_total(expression, partition_by=none) -%}
    round({{ safe_divide(
        expression, 'sum(' ~ expression ~ ') over (' ~ ('partition by ' ~ partition_by if partition_by else '') ~ ')'
    ) }}, 9)
{%- endmacro %}

{% macro not_shown_reason_key() -%}
    case
        when list_customer_count > 0 then null
        when exclusion_reason = 'not available' then 'not_available'
        when not is_recommendable then 'blocked'
        when candidate_customer_count > 0 and coalesce(category_cap, brand_cap) is not null then 'capped'
        when candidate_customer_count > 0 then 'low_score'
        when stale_reason is not null then 'stale'
        when last_action_at is null then 'no_actions'
        else 'no_candidate'
    end
{%- endmacro %}

{% macro not_shown_reason(key) -%}
    {%- set customers = "case when candidate_customer_count = 1 then '1 customer' else "
        ~ "concat(candidate_customer_count, ' customers') end" -%}
    case {{ key }}
        when 'not_available' then 'Not available: the catalog says that it cannot be bought'
        when 'blocked' then concat('Blocked by a rule: ', exclusion_reason)
        when 'capped' then concat(
            'Among the candidates of ', {{ customers }}, ', but in no list: its score is too low, or a ',
            'cap keeps it out (at most ',
            concat_ws(
                ', ',
                case when category_cap is not null then concat(category_cap, ' of category ', category) end,
                case when brand_cap is not null then concat(brand_cap, ' of brand ', brand) end
            ),
            ' in a list)'
        )
        when 'low_score' then concat(
            'Score too low: among the candidates of ', {{ customers }}, ', but in no list'
        )
        when 'stale' then concat('Stale: ', stale_reason, '; among the candidates of no customer')
        when 'no_actions' then 'No action yet: the model knows nothing about it'
        when 'no_candidate' then 'No candidate: other products fit every customer better'
    end
{%- endmacro %}
