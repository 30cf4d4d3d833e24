"""Recommendation lists under rules as a simple Python loop makes them, which the tests compare with the tables."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from tests.analyst_project import DEFAULT_TOP_N, AnalystProject

TOP_N = DEFAULT_TOP_N
FILLER_PRODUCTS = 200
ANONYMOUS_USER_ID = ""
FATIGUED_PRODUCTS = """
select user_id, product_id from marts.feat_user_product_impressions
where
    cutoff = 'now' and unanswered_count >= 10
    and product_id not in (select product_id from marts.dim_products where category = 'audio')
"""


class ProductRules(NamedTuple):
    """Rules of a product in the lists of a profile."""

    category_cap: int | None
    brand_cap: int | None
    pinned_position: int | None
    is_pinned_for_category: bool
    boost_factor: float
    promoted_every: int | None


def simulate_lists(analyst: AnalystProject) -> dict[str, list[str]]:
    """Return every list as a simple loop over its candidates gives it, product by product."""
    attributes = {
        product: (category, brand)
        for product, category, brand in analyst.query("select product_id, category, brand from marts.dim_products")
    }
    profile_of_segment = dict(
        analyst.query("select segment, rule_profile from marts.rec_rule_profiles where placement = 'home'")
    )
    rules: dict[tuple[str, str], ProductRules] = {}
    for profile, product, *values in analyst.query(
        "select rule_profile, product_id, category_cap, brand_cap, pinned_position, is_pinned_for_category, "
        "boost_factor, promoted_every from intermediate.int_product_rules where is_recommendable"
    ):
        rules[profile, product] = ProductRules(*values)
    excluded = set(analyst.query("select user_id, product_id from intermediate.int_user_product_exclusions"))
    popular = [
        product
        for (product,) in analyst.query(
            "select product_id from marts.feat_product_popularity where cutoff = 'now' and recent_popularity > 0 "
            "order by recent_popularity desc, product_id"
        )
    ]
    fatigued = set(analyst.query(FATIGUED_PRODUCTS))
    candidates: dict[str, list[str]] = {}
    for user, product in analyst.query("select user_id, product_id from ml.candidates order by user_id, rank"):
        candidates.setdefault(user, []).append(product)
    users = dict(analyst.query("select user_id, favourite_category from marts.dim_users"))
    fillers: dict[str, list[str]] = {}
    general_products = {product for profile, product in rules if profile == profile_of_segment[""]}

    def rules_allow(product: str) -> bool:
        return product in general_products

    def order_by_boosts(profile: str, products: Iterable[str]) -> list[str]:
        """Move each product up or down; of two at one place, the one from further behind comes first."""
        places = {
            product: (rank / (rules[profile, product].boost_factor if (profile, product) in rules else 1), -rank)
            for rank, product in enumerate(products, start=1)
        }
        return sorted(places, key=places.__getitem__)

    def promote(profile: str, products: list[str]) -> list[str]:
        """Take the next promoted product where a place would otherwise have too few before it."""
        every = next(
            (rule.promoted_every for (name, _), rule in rules.items() if name == profile and rule.promoted_every), 0
        )
        waiting, promoted = list(products), 0
        ordered: list[str] = []
        while waiting:
            next_promoted = next((product for product in waiting if rules[profile, product].promoted_every), None)
            is_due = every and promoted < (len(ordered) + 1) // every
            product = next_promoted if is_due and next_promoted else waiting[0]
            promoted += rules[profile, product].promoted_every is not None
            waiting.remove(product)
            ordered.append(product)
        return ordered

    def select_within_caps(user: str, profile: str, products: Iterable[str]) -> list[str]:
        counts: Counter[str] = Counter()
        selected: list[str] = []
        for product in dict.fromkeys(products):
            rule = rules.get((profile, product))
            if rule is None or (user, product) in excluded:
                continue
            # The category first; only a product within its cap counts for the brand.
            for name, cap in zip(attributes[product], (rule.category_cap, rule.brand_cap), strict=True):
                if cap is not None:
                    counts[name] += 1
                    if counts[name] > cap:
                        break
            else:
                selected.append(product)
        return selected

    def simulate_list(user: str, favourite_category: str | None) -> list[str]:
        profile = profile_of_segment.get(favourite_category or "", profile_of_segment[""])
        if profile not in fillers:
            recommendable = [product for product in popular if rules_allow(product)]
            ordered = order_by_boosts(profile, recommendable)
            fillers[profile] = select_within_caps(ANONYMOUS_USER_ID, profile, ordered)[:FILLER_PRODUCTS]
        pins = sorted(
            (rule.pinned_position, not rule.is_pinned_for_category, product)
            for (name, product), rule in rules.items()
            if name == profile and rule.pinned_position
        )
        positions = {product: position for position, _, product in pins}

        def select(products: Iterable[str]) -> list[str]:
            selected = select_within_caps(user, profile, products)
            pinned = [product for product in selected if product in positions]
            unpinned = [product for product in selected if product not in positions]
            return [*pinned, *promote(profile, unpinned)][:TOP_N]

        selected = select(chain(positions, order_by_boosts(profile, candidates.get(user, []))))
        if len(selected) < TOP_N:
            selected = select(chain(selected, fillers[profile]))
        pinned = [product for product in selected if product in positions]
        unpinned = [product for product in selected if product not in positions]
        unpinned.sort(
            key=lambda product: (user, product) in fatigued and rules[profile, product].promoted_every is None
        )
        ranked: list[str] = []
        while pinned or unpinned:
            is_pin_next = pinned and (positions[pinned[0]] <= len(ranked) + 1 or not unpinned)
            ranked.append((pinned if is_pin_next else unpinned).pop(0))
        return ranked

    return {user: simulate_list(user, favourite) for user, favourite in {**users, ANONYMOUS_USER_ID: None}.items()}
