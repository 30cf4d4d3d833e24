"""Notes on other rules for the same products in the same lists."""

from datetime import timedelta

import pytest

from warehouse.rules.rule import Rule
from warehouse.rules.rule_relations import MAX_RELATIONS, RuleRelations
from warehouse.rules.rule_store import get_today

TODAY = get_today()
BOOST = Rule(kind="boost", scope="brand", value="Acme", factor=2)
BLOCK = Rule(kind="block", scope="product", value="p1")
CAP = Rule(kind="cap", scope="brand", value="acme", max_products=3)
PIN = Rule(kind="pin", scope="product", value="p1", position=3)


def describe(rule: Rule, other: Rule, *wider: tuple[str, str]) -> list[str]:
    """Return the notes on a rule beside one other rule."""
    return RuleRelations({"r1": other}, TODAY).describe(rule, wider)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "other", "note"),
    [
        (BOOST, BOOST.model_copy(update={"value": "ACME", "factor": 3}),
         "Rule r1 also boosts brand ACME in the same lists: both factors multiply, to 6"),
        (BOOST, BOOST.model_copy(update={"kind": "bury"}),
         "Rule r1 buries brand Acme in the same lists: a boost and a bury work against each other"),
        (BOOST, BOOST.model_copy(update={"placements": ("home",)}),
         "Rule r1 also boosts brand Acme in common lists (placements home): both factors multiply, to 4"),
        (BOOST.model_copy(update={"placements": ("home", "email")}),
         BOOST.model_copy(update={"placements": ("email", "basket")}),
         "Rule r1 also boosts brand Acme in common lists (placements email): both factors multiply, to 4"),
        (BOOST, CAP,
         "Rule r1 limits a list in the same lists to 3 products of brand acme"),
        (BOOST, Rule(kind="block", scope="brand", value="acme"),
         "Rule r1 blocks brand acme in the same lists: the products stay out of the lists"),
        (Rule(kind="block", scope="brand", value="acme"), BOOST,
         "Rule r1 (boost by factor 2 brand Acme) has no effect in the same lists after the block"),
        (PIN, BLOCK, "Rule r1 blocks product p1 in the same lists: the product stays out of the lists"),
        (BLOCK, BLOCK, "Rule r1 already blocks product p1 in the same lists"),
        (PIN, PIN, "Rule r1 also pins product p1 in the same lists, at position 3: a list follows one of the two"),
        (CAP.model_copy(update={"placements": ("home",)}), CAP,
         "Rule r1 (at most 3 products of brand acme) has no effect in the same lists: this rule has priority"),
        (CAP, CAP.model_copy(update={"placements": ("home",), "max_products": None}),
         "Rule r1 (no cap for brand acme) has priority in common lists (placements home): this rule has no effect "
         "there"),
        (CAP.model_copy(update={"favourite_category": "audio"}), CAP.model_copy(update={"placements": ("home",)}),
         "Rule r1 (at most 3 products of brand acme) has no effect in common lists (placements home, favourite "
         "category audio): this rule has priority"),
        (PIN.model_copy(update={"rule_set": "a"}), PIN.model_copy(update={"favourite_category": "audio"}),
         "Rule r1 (pin at position 3 product p1) has no effect in common lists (all placements, favourite category "
         "audio, rule set a): this rule has priority"),
        (Rule(kind="boost", scope="product", value="p1", factor=2), PIN,
         "Rule r1 pins product p1 in the same lists: the product stays at position 3"),
    ],
)  # fmt: skip
def test_relation_is_described(rule: Rule, other: Rule, note: str) -> None:
    assert describe(rule, other) == [note]


@pytest.mark.parametrize(
    "other",
    [
        BOOST.model_copy(update={"value": "other"}),
        BOOST.model_copy(update={"scope": "category"}),
        BOOST.model_copy(update={"is_draft": True}),
        BOOST.model_copy(update={"is_stopped": True}),
        BOOST.model_copy(update={"valid_until": TODAY}),
        BOOST.model_copy(update={"valid_from": TODAY + timedelta(days=7)}),
        BOOST.model_copy(update={"placements": ("email",)}),
        BOOST.model_copy(update={"favourite_category": "garden"}),
        BOOST.model_copy(update={"rule_set": "b"}),
    ],
)
def test_unrelated_rule_has_no_note(other: Rule) -> None:
    """Rules for other products, days, placements, customers or arms."""
    rule = BOOST.model_copy(
        update={
            "valid_until": TODAY + timedelta(days=7),
            "placements": ("home",),
            "favourite_category": "audio",
            "rule_set": "a",
        }
    )
    assert describe(rule, BOOST)
    assert describe(rule, other) == []


def test_days_that_touch_have_a_note() -> None:
    """The day after the last day of a rule belongs to no rule; its last day can be the first day of another one."""
    rule = BOOST.model_copy(update={"valid_until": TODAY + timedelta(days=7)})
    assert describe(rule, BOOST.model_copy(update={"valid_from": TODAY + timedelta(days=6)}))


def test_brand_of_product_has_note() -> None:
    rule = Rule(kind="boost", scope="product", value="p1", factor=2)
    block = Rule(kind="block", scope="brand", value="Acme")
    assert describe(rule, block) == []
    (note,) = describe(rule, block, ("brand", "acme"))
    assert note == "Rule r1 blocks brand Acme in the same lists: the product stays out of the lists"
    # The boost of a brand still acts on its other products.
    assert describe(BLOCK, BOOST, ("brand", "acme")) == []


@pytest.mark.parametrize(("min_price", "has_note"), [(5, True), (10, False)])
def test_common_prices_have_note(min_price: float, has_note: bool) -> None:
    rule = Rule(kind="boost", scope="price", max_price=10, factor=2)
    other = Rule(kind="boost", scope="price", min_price=min_price, factor=2)
    assert bool(describe(rule, other)) == has_note


def test_many_relations_are_counted() -> None:
    relations = RuleRelations({f"r{number}": BOOST for number in range(MAX_RELATIONS + 2)}, TODAY)
    notes = relations.describe(BOOST)
    assert len(notes) == MAX_RELATIONS + 1
    assert notes[-1] == "2 more rules for the same products and lists"
