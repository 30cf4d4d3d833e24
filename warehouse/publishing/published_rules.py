"""Queries of the published copy about rules: which ones its lists follow, and which values products have."""

import json
from collections.abc import Iterable
from datetime import date
from typing import Literal

import pandas as pd

from warehouse.errors import RecomartError
from warehouse.formatting import format_names
from warehouse.publishing.placement_queries import list_placements
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule, RuleScope, parse_rule
from warehouse.rules.rule_relations import Selection
from warehouse.rules.rule_store import StoredRule, has_ended

MAX_SUGGESTIONS = 3

MAX_BLOCKED_SHARE = 0.9
"""A block of more products is a mistake, such as a wrong price: it acts at once and would empty all lists."""

UNPUBLISHED_FIELDS = ("valid_from", "valid_until", "is_draft", "is_stopped")
"""Fields of rules that `rec_active_rules` lacks, because it has only the rules that hold on the day of the build."""


def read_applied_changes(copy: ServingCopy) -> dict[str, int]:
    """Return the number of the applied change of each rule that the lists follow; none in an older copy."""
    if not copy.has_column("rec_active_rules", "change_number"):
        return {}
    rows = copy.query_frame("select rule_id, change_number from rec_active_rules")
    return dict(zip(rows["rule_id"], rows["change_number"].astype(int), strict=True))


def read_active_rules(copy: ServingCopy, placement: str) -> list[Rule]:
    """Return the rules that the lists of a placement follow, by id; none in an older copy.

    A rule with a favourite category or a rule set is for some lists of the placement only.
    """
    if "rec_active_rules" not in copy.published.rows:
        return []
    names = ", ".join(name for name in Rule.model_fields if name not in UNPUBLISHED_FIELDS)
    rows = copy.query_frame(f"select {names} from rec_active_rules order by rule_id")
    rules = []
    for row in rows.astype(object).to_dict("records"):
        fields = {str(name): value for name, value in row.items() if not pd.isna(value)}
        fields["placements"] = json.loads(fields.get("placements") or "[]")
        rules.append(parse_rule(fields, f"rule of {copy.published.file}"))
    return [rule for rule in rules if not rule.placements or placement in rule.placements]


def check_rule_values(copy: ServingCopy, rule: Rule) -> None:
    """Check that the shop has the product, brand, category and placements that a rule names.

    Raises:
        RecomartError: The shop has no such value; the message has similar ones. Or a block leaves hardly any product.
    """
    if rule.value is not None:
        _check_product_value(copy, rule.scope, rule.value)
    if rule.favourite_category is not None:
        _check_product_value(copy, "category", rule.favourite_category)
    placements = [placement.placement for placement in list_placements(copy)]
    for placement in rule.placements:
        if placement not in placements:
            raise RecomartError(f"there is no placement '{placement}'. Use {format_names(placements)}")
    if rule.kind == "block":
        blocked, products = len(find_rule_products(copy, rule)), copy.published.rows.get("dim_products", 0)
        if blocked > MAX_BLOCKED_SHARE * products:
            raise RecomartError(
                f"the block is for {blocked:,} of {products:,} products and would empty the lists. Select fewer ones"
            )


def warn_of_unknown_placements(copy: ServingCopy, rules: Iterable[StoredRule], today: date) -> list[str]:
    """Return a warning for each rule with an undeclared placement; ended rules are left out."""
    placements = {placement.placement for placement in list_placements(copy)}
    warnings = []
    for stored in rules:
        unknown = [name for name in stored.rule.placements if name not in placements]
        if unknown and stored.rule.is_enabled and not has_ended(stored.rule, today):
            warnings.append(
                f"rule {stored.rule_id}: there is no placement {format_names(unknown)}, and the rule has no effect "
                "there. Declare it in dbt_project/seeds/placements.csv and build the lists, or stop the rule"
            )
    return warnings


def list_facet_values(copy: ServingCopy, facet: Literal["brand", "category"]) -> list[str]:
    """Return the brands or categories of the shop's products."""
    rows = copy.query_frame(
        f"select distinct {facet} as value from dim_products where {facet} is not null order by value"
    )
    return list(rows["value"])


def find_rule_products(copy: ServingCopy, rule: Rule) -> list[str]:
    """Return the ids of the products that a rule selects now."""
    values: list[object]
    match rule.scope:
        case "product":
            condition, values = "product_id = ?", [rule.value]
        case "brand" | "category":
            condition, values = f"{rule.scope} = lower(?)", [rule.value]
        case "price":
            condition, values = "price >= coalesce(?, 0) and (price < ?) is not false", [rule.min_price, rule.max_price]
        case "new":
            condition = "first_seen_at >= ?::timestamp - to_days(?)"
            values = [copy.published.newest_row_at, rule.max_age_days]
    return list(copy.query_frame(f"select product_id from dim_products where {condition}", *values)["product_id"])


def list_wider_selections(copy: ServingCopy, rule: Rule) -> list[Selection]:
    """Return the brand and the category of the product that a rule names; none for a rule of another scope."""
    if rule.scope != "product":
        return []
    rows = copy.query_frame("select brand, category from dim_products where product_id = ?", rule.value)
    scopes: tuple[RuleScope, ...] = ("brand", "category")
    return [(scope, str(value)) for scope in scopes for value in rows[scope].dropna()]


def _check_product_value(copy: ServingCopy, scope: str, value: str) -> None:
    column, placeholder = ("product_id", "?") if scope == "product" else (scope, "lower(?)")
    if not copy.query_frame(f"select 1 from dim_products where {column} = {placeholder} limit 1", value).empty:
        return
    similar_values = copy.query_frame(
        f"""
        select {column} as value
        from dim_products
        where {column} is not null
        group by {column}
        order by jaro_winkler_similarity(lower({column}), lower(?)) desc, {column}
        limit ?
        """,
        value,
        MAX_SUGGESTIONS,
    )
    raise RecomartError(
        f"the shop has no {scope} '{value}'. Similar ones: {format_names(list(similar_values['value']))}"
    )
