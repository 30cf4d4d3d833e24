-- Estimates of the actions on the lists of a model that does not serve, from lists with explored places. `recomart off-policy`
-- fills the temporary tables off_policy_candidates (user_id, product_id, rank) with the model's candidates, made from the
-- customers' histories before the impressions, and off_policy_window (seen_from). The rules are those of the last build.
-- noqa: disable=LT02
{% set metrics = {'clicks': 'click', 'purchases': 'purchase'} %}
{#- With fewer customers with an explored action, the intervals are too narrow: docs/off_policy.md has a simulation. -#}
{% set min_explored_customers = 10 %}

with challenger_candidates as (

    select
        candidates.user_id,
        candidates.rank / rules.boost_factor as list_order,
        candidates.rank as candidate_rank,
        candidates.product_id,
        rules.category,
        rules.brand,
        rules.category_cap,
        rules.brand_cap,
        rules.pinned_position,
        rules.promoted_every
    from off_policy_candidates as candidates
    inner join {{ ref('int_user_lists') }} as lists on candidates.user_id = lists.user_id
    inner join {{ ref('int_product_rules') }} as rules
        on candidates.product_id = rules.product_id
        and lists.rule_profile = rules.rule_profile
    where rules.is_recommendable and rules.pinned_position is null

),

{{ apply_caps('challenger_candidates') }},

-- apply_caps ends in within_caps.
{{ apply_promotions('within_caps') }},

-- The place counts the products of a list without its pins, which every model has.
challenger_lists as (

    select
        user_id,
        product_id,
        promoted_rank as place
    from promoted_lists

),

logged_ranks as (

    select
        lists.*,
        {{ list_ranks('lists.product_ids') }} as rank
    from {{ ref('fct_recommendation_lists') }} as lists
    inner join off_policy_window on lists.live_until is null or lists.live_until > off_policy_window.seen_from
    where lists.propensities is not null

),

logged_places as (

    select
        user_id,
        placement,
        published_at,
        live_until,
        rank,
        {{ list_item('product_ids', 'rank') }} as product_id,
        {{ list_item('product_ids', 1) }} as first_product_id,
        {{ list_item('propensities', 'rank') }} as propensity,
        row_number() over (partition by user_id, placement, published_at order by rank) as place
    from logged_ranks
    where {{ list_item('sources', 'rank') }} != 'pinned'

),

actions as (

    select
        user_id,
        product_id,
        seen_at,
        coalesce(placement, '') as placement,
        coalesce(rank, 0) as rank,
        coalesce(recommendation_id, '') as recommendation_id,
        {% for metric, action_type in metrics.items() -%}
        count(case when action_type = '{{ action_type }}' then 1 end) as {{ metric }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('fct_recommended_actions') }}
    group by
        user_id, product_id, seen_at, coalesce(placement, ''), coalesce(rank, 0), coalesce(recommendation_id, '')

),

-- An action is that of one impression, also of two in the same second.
impressions as (

    select distinct user_id, product_id, seen_at, basis, placement, rank, recommendation_id
    from {{ ref('fct_impressions') }}

),

-- Impressions of the live list. An answer of the service with other products at these ranks is another list.
shown_places as (

    select
        impressions.user_id,
        impressions.basis,
        case
            when challenger_lists.product_id = impressions.product_id then 1 / logged_places.propensity
            else 0
        end as weight,
        -- A product that stays in its place has a propensity above 0.8, an exchanged one below 0.2.
        challenger_lists.product_id = impressions.product_id and logged_places.propensity < 0.5 as is_explored_match,
        {% for metric in metrics -%}
        coalesce(actions.{{ metric }}, 0) as {{ metric }}{{ ',' if not loop.last }}
        {% endfor %}
    from impressions
    inner join off_policy_window on impressions.seen_at >= off_policy_window.seen_from
    inner join logged_places
        on impressions.user_id = logged_places.user_id
        and impressions.product_id = logged_places.product_id
        and impressions.seen_at >= logged_places.published_at
        and (logged_places.live_until is null or impressions.seen_at < logged_places.live_until)
    left join {{ ref('fct_served_lists') }} as served on impressions.recommendation_id = served.recommendation_id
    left join challenger_lists
        on impressions.user_id = challenger_lists.user_id
        and logged_places.place = challenger_lists.place
    left join actions
        on impressions.user_id = actions.user_id
        and impressions.product_id = actions.product_id
        and impressions.seen_at = actions.seen_at
        and coalesce(impressions.placement, '') = actions.placement
        and coalesce(impressions.rank, 0) = actions.rank
        and coalesce(impressions.recommendation_id, '') = actions.recommendation_id
    where
        logged_places.propensity > 0
        and (
            served.recommendation_id is null
            or (
                {{ list_item('served.product_ids', 1) }} = logged_places.first_product_id
                and {{ list_rank('served.product_ids', 'impressions.product_id') }} = logged_places.rank
            )
        )

),

customers as (

    {% for metric in metrics -%}
    select
        user_id,
        basis,
        '{{ metric }}' as metric,
        count(*) as places,
        count(case when weight > 0 then 1 end) as matched_places,
        sum({{ metric }}) as actions,
        sum(weight) as weight,
        sum(weight * weight) as squared_weight,
        sum(weight * {{ metric }}) as weighted_actions,
        sum(case when is_explored_match then {{ metric }} else 0 end) as explored_actions
    from shown_places
    group by user_id, basis
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

totals as (

    select
        basis,
        metric,
        count(*) as customers,
        sum(places) as places,
        sum(matched_places) as matched_places,
        sum(weight) as weight,
        {{ safe_divide('sum(weight) * sum(weight)', 'sum(squared_weight)') }} as effective_places,
        count(case when explored_actions > 0 then 1 end) as explored_customers,
        {{ safe_divide('sum(actions)', 'sum(places)') }} as logged_rate,
        {{ safe_divide('sum(weighted_actions)', 'sum(places)') }} as ips_rate,
        {{ safe_divide('sum(weighted_actions)', 'sum(weight)') }} as snips_rate
    from customers
    group by basis, metric

),

-- Deviations of the customers from the ratios (delta method), so that places of one customer do not count as independent ones.
deviations as (

    select
        totals.basis,
        totals.metric,
        (customers.actions - totals.logged_rate * customers.places) / totals.places as logged_deviation,
        (customers.weighted_actions - totals.ips_rate * customers.places) / totals.places as ips_deviation,
        {{ safe_divide(
            'customers.weighted_actions - totals.snips_rate * customers.weight', 'totals.weight'
        ) }} as snips_deviation
    from totals
    inner join customers on totals.basis = customers.basis and totals.metric = customers.metric

),

errors as (

    select
        basis,
        metric,
        {% for name, deviation in {
            'logged': 'logged_deviation',
            'ips': 'ips_deviation',
            'snips': 'snips_deviation',
            'difference': '(snips_deviation - logged_deviation)',
        }.items() -%}
        sqrt({{ safe_divide(
            'count(*) * sum(' ~ deviation ~ ' * ' ~ deviation ~ ')', 'count(*) - 1'
        ) }}) as {{ name }}_error{{ ',' if not loop.last }}
        {% endfor %}
    from deviations
    group by basis, metric

),

estimates as (

    select
        totals.*,
        totals.snips_rate - totals.logged_rate as difference,
        errors.logged_error,
        errors.ips_error,
        errors.snips_error,
        errors.difference_error,
        totals.explored_customers >= {{ min_explored_customers }} as has_estimate
    from totals
    inner join errors on totals.basis = errors.basis and totals.metric = errors.metric

)

select
    basis,
    metric,
    customers,
    cast(places as {{ dbt.type_bigint() }}) as places,
    cast(matched_places as {{ dbt.type_bigint() }}) as matched_places,
    round(weight / places, 9) as coverage,
    round(effective_places, 3) as effective_places,
    cast(explored_customers as {{ dbt.type_bigint() }}) as explored_customers,
    has_estimate,
    round(logged_rate, 9) as logged_rate,
    round(logged_rate - 1.96 * logged_error, 9) as min_logged_rate,
    round(logged_rate + 1.96 * logged_error, 9) as max_logged_rate,
    {% for name in ['ips_rate', 'snips_rate', 'difference'] -%}
    {%- set error = name | replace('_rate', '') ~ '_error' -%}
    round(case when has_estimate then {{ name }} end, 9) as {{ name }},
    round(case when has_estimate then {{ name }} - 1.96 * {{ error }} end, 9) as min_{{ name }},
    round(case when has_estimate then {{ name }} + 1.96 * {{ error }} end, 9) as max_{{ name }}
    {{- ',' if not loop.last }}
    {% endfor %}
from estimates
order by metric, basis
