"""Sentences about other rules for the same products in the same lists, which change what a rule does."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date

from warehouse.formatting import format_count
from warehouse.rules.rule import KINDS_WITHOUT_VALUE, Rule, Selection
from warehouse.rules.rule_store import has_ended

MAX_RELATIONS = 5
"""Maximum number of rules that are named; the others are counted."""

FACTOR_KINDS = ("boost", "bury")

SINGLE_KINDS = (*KINDS_WITHOUT_VALUE, "promote", "pin")
"""Kinds of which a list follows one rule for its products: the one with the first precedence."""


class RuleRelations:
    """The enabled rules of a shop by the products that they select."""

    def __init__(self, rules: Mapping[str, Rule], today: date) -> None:
        """Store rules by id, without drafts and without rules that are stopped or have ended."""
        self._rules: dict[Selection, dict[str, Rule]] = defaultdict(dict)
        for rule_id, rule in rules.items():
            if not has_ended(rule, today):
                self.add(rule_id, rule)

    def add(self, rule_id: str, rule: Rule) -> None:
        """Add a rule, which later ones are compared with."""
        if rule.is_enabled:
            self._rules[rule.selection][rule_id] = rule

    def describe(self, rule: Rule, wider_selections: Collection[Selection] = ()) -> list[str]:
        """Return a sentence for each rule that acts on the products of a rule in common lists and days.

        Args:
            rule: The rule, which is not among the rules of the shop.
            wider_selections: Selections that contain all products of the rule, such as the brand of its product.
        """
        sentences = []
        for selection in dict.fromkeys([rule.selection, *wider_selections]):
            for rule_id, other in self._rules.get(selection, {}).items():
                if not (_has_common_products(rule, other) and _has_common_lists(rule, other)):
                    continue
                sentence = _describe_relation(rule, rule_id, other, is_wider=selection != rule.selection)
                if sentence is not None:
                    sentences.append(sentence)
        if len(sentences) > MAX_RELATIONS:
            rest = format_count(len(sentences) - MAX_RELATIONS, "more rule")
            sentences[MAX_RELATIONS:] = [f"{rest} for the same products and lists"]
        return sentences


def _has_common_products(rule: Rule, other: Rule) -> bool:
    """Return whether two rules of one selection can have common products: prices need a common range."""
    if rule.scope != "price" or other.scope != "price":
        return True
    lowest = max(rule.min_price or 0, other.min_price or 0)
    return all(each.max_price is None or lowest < each.max_price for each in (rule, other))


def _has_common_lists(rule: Rule, other: Rule) -> bool:
    """Return whether two rules are for common placements, customers, arms and days."""
    return (
        (not rule.placements or not other.placements or bool(set(rule.placements) & set(other.placements)))
        and _is_same_or_any(rule.favourite_category, other.favourite_category)
        and _is_same_or_any(rule.rule_set, other.rule_set)
        and rule.has_common_days(other)
    )


def _is_same_or_any(value: str | None, other: str | None) -> bool:
    return value is None or other is None or value.lower() == other.lower()


def _describe_common_lists(rule: Rule, other: Rule) -> str:
    """Return in which lists both rules act, seen from the first one."""
    placements = tuple(name for name in rule.placements or other.placements if name in (other.placements or [name]))
    common = rule.model_copy(
        update={
            "placements": placements,
            "favourite_category": rule.favourite_category or other.favourite_category,
            "rule_set": rule.rule_set or other.rule_set,
        }
    )
    return "in the same lists" if common == rule else f"in common lists ({common.describe_lists()})"


def _get_precedence(rule: Rule) -> tuple[bool, bool, bool]:
    """Return by what the rules of `SINGLE_KINDS` are sorted; `int_rule_profile_members` sorts them likewise."""
    return rule.rule_set is None, rule.favourite_category is None, not rule.placements


def _describe_relation(rule: Rule, rule_id: str, other: Rule, *, is_wider: bool) -> str | None:
    """Return what another rule means for a rule; None if each acts by itself."""
    products = other.describe_products()
    where = _describe_common_lists(rule, other)
    precedences = (_get_precedence(rule), _get_precedence(other))
    if rule.kind == other.kind and rule.kind in SINGLE_KINDS and precedences[0] != precedences[1]:
        if precedences[0] < precedences[1]:
            return f"Rule {rule_id} ({other.describe()}) has no effect {where}: this rule has priority"
        return f"Rule {rule_id} ({other.describe()}) has priority {where}: this rule has no effect there"
    if other.kind == "block":
        if rule.kind == "block":
            return f"Rule {rule_id} already blocks {products} {where}"
        result = "the product stays" if rule.scope == "product" else "the products stay"
        return f"Rule {rule_id} blocks {products} {where}: {result} out of the lists"
    if rule.kind == "block":
        # A block of one product leaves the others of a brand to the rule.
        return None if is_wider else f"Rule {rule_id} ({other.describe()}) has no effect {where} after the block"
    if rule.kind in FACTOR_KINDS and other.kind in FACTOR_KINDS:
        verb = {"boost": "boosts", "bury": "buries"}[other.kind]
        if rule.kind == other.kind:
            assert rule.factor is not None
            assert other.factor is not None
            factor = rule.factor * other.factor
            return f"Rule {rule_id} also {verb} {products} {where}: both factors multiply, to {factor:g}"
        return f"Rule {rule_id} {verb} {products} {where}: a boost and a bury work against each other"
    if other.kind == "pin":
        if rule.kind == "pin":
            position = f"at position {other.position}: a list follows one of the two"
            return f"Rule {rule_id} also pins {products} {where}, {position}"
        return f"Rule {rule_id} pins {products} {where}: the product stays at position {other.position}"
    if rule.kind == "pin":
        return f"Rule {rule_id} ({other.describe()}) does not move the pin" if other.kind in FACTOR_KINDS else None
    if other.kind == "cap" and other.max_products is not None:
        return f"Rule {rule_id} limits a list {where} to {format_count(other.max_products, 'product')} of {products}"
    return None
