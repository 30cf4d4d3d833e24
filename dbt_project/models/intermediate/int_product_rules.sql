with profile_rules as (

    select distinct
        profiles.rule_profile,
        rules.*
    from {{ ref('rec_rule_profiles') }} as profiles
    inner join {{ ref('int_rule_profile_members') }} as members
        on profiles.placement = members.placement
        and profiles.rule_set = members.rule_set
        and profiles.segment = members.segment
    inner join {{ ref('rec_active_rules') }} as rules on members.rule_id = rules.rule_id

),

-- What the rules that name the product do to it.
product_effects as (

    select
        profile_rules.rule_profile,
        rule_products.product_id,
        min(case
            when profile_rules.kind = 'block'
                then 'blocked ' || profile_rules.scope || coalesce(': ' || profile_rules.reason, '')
        end) as block_reason,
        min(case when profile_rules.kind = 'pin' then profile_rules.position end) as pinned_position,
        count(case when profile_rules.kind = 'pin' and profile_rules.favourite_category is not null then 1 end) > 0
            as is_pinned_for_category,
        -- The product of the factors.
        round(exp(sum(case
            when profile_rules.kind = 'boost' then ln(profile_rules.factor)
            when profile_rules.kind = 'bury' then -ln(profile_rules.factor)
            else 0
        end)), 9) as boost_factor,
        min(case when profile_rules.kind = 'promote' then profile_rules.every end) as promoted_every
    from profile_rules
    inner join {{ ref('int_rule_products') }} as rule_products on profile_rules.rule_id = rule_products.rule_id
    where profile_rules.kind not in ('cap', 'repurchase', 'fatigue')
    group by profile_rules.rule_profile, rule_products.product_id

),

limits as (

    select
        rule_profile,
        kind,
        scope,
        value,
        coalesce(max_products, after_days, max_impressions) as number
    from profile_rules
    where kind in ('cap', 'repurchase', 'fatigue')

)

-- A rule of one category or brand replaces the rule for all others, even if it has no number.
select
    profiles.rule_profile,
    products.product_id,
    products.is_available and product_effects.block_reason is null as is_recommendable,
    case when not products.is_available then 'not available' else product_effects.block_reason end as exclusion_reason,
    products.category,
    products.brand,
    case
        when products.category is null then null
        when category_caps.value is not null then category_caps.number
        else default_category_cap.number
    end as category_cap,
    case
        when products.brand is null then null
        when brand_caps.value is not null then brand_caps.number
        else default_brand_cap.number
    end as brand_cap,
    case
        when repurchases.value is not null then repurchases.number
        else default_repurchase.number
    end as repurchase_after_days,
    repurchases.kind is not null or default_repurchase.kind is not null as has_repurchase_rule,
    case
        when fatigues.kind is not null then fatigues.number
        when default_fatigue.kind is not null then default_fatigue.number
        when {{ var('fatigue_impressions') }} > 0 then {{ var('fatigue_impressions') }}
    end as max_impressions,
    product_effects.pinned_position,
    coalesce(product_effects.is_pinned_for_category, false) as is_pinned_for_category,
    coalesce(product_effects.boost_factor, 1) as boost_factor,
    product_effects.promoted_every
from {{ ref('dim_products') }} as products
cross join (select distinct rule_profile from {{ ref('rec_rule_profiles') }}) as profiles
left join product_effects
    on products.product_id = product_effects.product_id
    and profiles.rule_profile = product_effects.rule_profile
{%- for limit, kind, attribute, is_default in [
    ('category_caps', 'cap', 'category', false),
    ('default_category_cap', 'cap', 'category', true),
    ('brand_caps', 'cap', 'brand', false),
    ('default_brand_cap', 'cap', 'brand', true),
    ('repurchases', 'repurchase', 'category', false),
    ('default_repurchase', 'repurchase', 'category', true),
    ('fatigues', 'fatigue', 'category', false),
    ('default_fatigue', 'fatigue', 'category', true),
] %}
left join limits as {{ limit }}
    on {{ limit }}.kind = '{{ kind }}'
    and {{ limit }}.scope = '{{ attribute }}'
    and {{ limit }}.value {{ 'is null' if is_default else '= products.' ~ attribute }}
    and profiles.rule_profile = {{ limit }}.rule_profile
{%- endfor %}
