"""Answers about one customer's list: what changed since an earlier list, and why a product is not in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from warehouse.formatting import format_names
from warehouse.publishing.customer_queries import get_timeline
from warehouse.publishing.placement_queries import HOME
from warehouse.publishing.published_rules import read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy


def compare_lists(current: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """Return the products of two lists of a customer with their ranks, the current list first.

    Returns:
        The columns of the lists, `rank` and `earlier_rank` (null for a new or gone product), and `change`: new, gone,
        up, down or same.
    """
    products = pd.concat([current, earlier]).drop_duplicates("product_id").drop(columns="rank")
    for column, rows in (("rank", current), ("earlier_rank", earlier)):
        ranks = dict(zip(rows["product_id"], rows["rank"], strict=True))
        products[column] = products["product_id"].map(ranks).astype("Int64")
    products["change"] = [
        _describe_change(rank, earlier_rank)
        for rank, earlier_rank in zip(products["rank"], products["earlier_rank"], strict=True)
    ]
    return products.sort_values(["rank", "earlier_rank"], ignore_index=True)


def _describe_change(rank: Any, earlier_rank: Any) -> str:
    if pd.isna(earlier_rank):
        return "new"
    if pd.isna(rank):
        return "gone"
    return "same" if rank == earlier_rank else ("up" if rank < earlier_rank else "down")


def describe_causes(copy: ServingCopy, earlier_copy: ServingCopy) -> str:
    """Return which rules and whether the model differ from those of an earlier copy, as a text without Markdown."""
    rules, earlier_rules = read_applied_changes(copy), read_applied_changes(earlier_copy)
    run_id, earlier_run_id = (
        one_copy.query_frame("select max(run_id) as run_id from rec_top_n")["run_id"].iloc[0]
        for one_copy in (copy, earlier_copy)
    )
    causes = {
        "rules added or changed": format_names([rule for rule in rules if rules[rule] != earlier_rules.get(rule)]),
        "rules ended": format_names([rule for rule in earlier_rules if rule not in rules]),
        "model": "another one" if run_id != earlier_run_id else "",
    }
    texts = [f"{label}: {value}" for label, value in causes.items() if value]
    if not texts:
        return "The rules and the model are those of the earlier version. What changed comes from newer data."
    return f"What differs from the earlier version: {'; '.join(texts)}."


def find_exclusion_reasons(copy: ServingCopy, product_ids: Sequence[str]) -> dict[str, str]:
    """Return why products cannot be in a list, such as "not available", by product; other products are left out."""
    rows = copy.query_frame(
        "select product_id, exclusion_reason from rec_product_rules "
        "where product_id in (select unnest(?::varchar[])) and exclusion_reason is not null",
        list(product_ids),
    )
    return dict(zip(rows["product_id"], rows["exclusion_reason"], strict=True))


def explain_absence(copy: ServingCopy, user_id: str, product_id: str, recommendations: pd.DataFrame) -> list[str]:
    """Return the reasons why a customer's list has no place for a product, or the place that it has.

    `recommendations` is the customer's whole list. The sentences are texts without Markdown.
    """
    place = recommendations[recommendations["product_id"] == product_id]
    if not place.empty:
        return [f"It is recommended at rank {place['rank'].iloc[0]}: {place['reason'].iloc[0]}."]
    arm = copy.get_customer_arm(user_id)
    if arm and arm["policy"] == "none":
        return [f"The arm “{arm['arm']}” of the experiment “{arm['experiment']}” gives no recommendations."]
    rule = _get_rule(copy, user_id, product_id, arm)
    if rule is None:
        return ["The published copy has no such product."]
    if not rule["is_recommendable"]:
        return [f"{_capitalize(rule['exclusion_reason'] or 'not available')}."]
    reasons = [*_explain_purchase(copy, user_id, product_id, rule), *_explain_caps(recommendations, rule)]
    if recommendations.empty:
        return [*reasons, "The customer has no list."]
    return reasons or [
        f"The list is full: each of its {len(recommendations)} products fits this customer better, or a merchandising "
        "rule gives it the place."
    ]


def _get_rule(copy: ServingCopy, user_id: str, product_id: str, arm: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what the rules of the customer's list do with a product; None for an unknown product."""
    rules = copy.query_frame("select * from rec_product_rules where product_id = ?", product_id)
    # A copy of an earlier version has the same rules for all lists.
    if "rec_rule_profiles" in copy.published.rows:
        rule_sets = {other.arm: other.rule_set for other in copy.get_experiment_arms()}
        rule_set = rule_sets.get(arm["arm"]) if arm else None
        favourite_category = copy.get_customer(user_id)["favourite_category"]
        special_rules = copy.query_frame(
            "select * from rec_profile_product_rules where rule_profile = ? and product_id = ?",
            copy.get_rule_profile(HOME, rule_set, favourite_category),
            product_id,
        )
        # The rules of most customers are only in rec_product_rules.
        rules = rules if special_rules.empty else special_rules
    return None if rules.empty else {str(name): value for name, value in rules.iloc[0].to_dict().items()}


def _explain_purchase(copy: ServingCopy, user_id: str, product_id: str, rule: Mapping[str, Any]) -> list[str]:
    history = get_timeline(copy, user_id, ["purchase", "return"])
    lines = history[history["product_id"] == product_id]
    purchases = lines[lines["action_type"] == "purchase"]
    if purchases.empty or lines["quantity"].sum() <= 0:
        return []
    last_day = purchases["action_at"].max()
    text = f"Already bought, the last time on {last_day:%d %b %Y}"
    after_days = rule.get("repurchase_after_days")
    if after_days is not None and not pd.isna(after_days):
        return [f"{text}. A rule allows it again {int(after_days)} days after the purchase."]
    # A copy of an earlier version lacks the column.
    if rule.get("has_repurchase_rule"):
        return [f"{text}. A rule never allows it again."]
    repeats = copy.get_shop_repeats()
    if repeats is not None and repeats.get("is_repeat_shop"):
        return [f"{text}. It may be recommended again when the customer's usual time between purchases is over."]
    return [f"{text}. The shop recommends no bought products."]


def _explain_caps(recommendations: pd.DataFrame, rule: Mapping[str, Any]) -> list[str]:
    reasons = []
    for facet in ("category", "brand"):
        cap, value = rule[f"{facet}_cap"], rule[facet]
        if pd.isna(cap) or pd.isna(value):
            continue
        if (recommendations[facet] == value).sum() >= cap:
            reasons.append(
                f"The cap is reached: a list has at most {int(cap)} products of the {facet} {value}, and those of this "
                "list fit the customer better."
            )
    return reasons


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
