{#- An exchange changes two places, so each place proposes one with half of explore_share. -#}
{% macro explored_lists(lists, columns) -%}
{%- set proposal_share = var('explore_share') / 2 -%}
{%- set place = "concat(cutoffs.last_date, '|', list_sizes.user_id, '|', list_sizes.group_rank)" -%}
list_sizes as (

    select
        *,
        count(*) over (partition by user_id, is_pinned) as group_size,
        -- Pins, and products without another place, stay.
        not is_pinned
        and user_id != {{ anonymous_user_id() }}
        and count(*) over (partition by user_id, is_pinned) > 1 as is_explorable
    from {{ lists }}

),

-- A place proposes to exchange its product with another place of the list, drawn uniformly. The rules hold for the new list too,
-- because it has the same products.
proposals as (

    select
        list_sizes.user_id,
        list_sizes.group_rank,
        (
            list_sizes.group_rank
            + {{ hash_number("concat('other place|', " ~ place ~ ")") }} % (list_sizes.group_size - 1)
        ) % list_sizes.group_size + 1 as other_group_rank
    from list_sizes
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    where
        list_sizes.is_explorable
        and {{ hash_number("concat('explored|', " ~ place ~ ")") }} < {{ (proposal_share * 4294967296) | int }}

),

-- Proposals with a common place are dropped.
single_places as (

    select user_id, group_rank
    from (
        select user_id, group_rank from proposals
        union all
        select user_id, other_group_rank as group_rank from proposals
    ) as proposed_places
    group by user_id, group_rank
    having count(*) = 1

),

exchanges as (

    select
        proposals.user_id,
        proposals.group_rank,
        proposals.other_group_rank
    from proposals
    inner join single_places as places
        on proposals.user_id = places.user_id
        and proposals.group_rank = places.group_rank
    inner join single_places as other_places
        on proposals.user_id = other_places.user_id
        and proposals.other_group_rank = other_places.group_rank

),

explored_places as (

    select user_id, group_rank, other_group_rank from exchanges
    union all
    select user_id, other_group_rank as group_rank, group_rank as other_group_rank from exchanges

),

explored_ranks as (

    select
        list_sizes.*,
        coalesce(explored_places.other_group_rank, list_sizes.group_rank) as explored_group_rank,
        explored_places.user_id is not null as is_explored,
        -- Probability of the exchange of two given places: exactly one of them proposes it, and none of the other places
        -- proposes one of the two.
        case
            when list_sizes.is_explorable
                then {{ 2 * proposal_share * (1 - proposal_share) }} / (list_sizes.group_size - 1)
                * power(1 - {{ 2 * proposal_share }} / (list_sizes.group_size - 1), list_sizes.group_size - 2)
            else 0
        end as exchange_probability
    from list_sizes
    left join explored_places
        on list_sizes.user_id = explored_places.user_id
        and list_sizes.group_rank = explored_places.group_rank
        and list_sizes.is_explorable

),

explored_lists as (

    select
        {{ columns | join(', ') }},
        explored_group_rank as group_rank,
        is_explored,
        round(
            case
                when is_explored then exchange_probability
                else 1 - (group_size - 1) * exchange_probability
            end,
            9
        ) as propensity
    from explored_ranks

)
{%- endmacro %}
