"""Merchandising rules for lists that are ranked in Python."""

import pandas as pd
import pytest

from warehouse.publishing.merchandising_rules import MerchandisingRules

COLUMNS = ["product_id", "is_recommendable", "category", "brand", "category_cap", "brand_cap", "pinned_position"]


@pytest.fixture
def rules() -> MerchandisingRules:
    rows = [
        ("mug", True, "pans", "acme", 1, 1, None),
        ("pan", True, "pans", "best", 1, None, None),
        ("ball", True, "toys", "acme", None, 1, None),
        ("gone", False, "toys", "cosy", None, None, 1),
        ("kite", True, "toys", None, None, None, None),
        ("tea", True, None, None, None, None, 3),
        ("cup", True, None, None, None, None, 3),
        ("rug", True, None, None, None, None, 9),
    ]
    return MerchandisingRules(pd.DataFrame(rows, columns=COLUMNS))


def test_apply_blocks_caps_and_pins(
    rules: MerchandisingRules,
) -> None:
    assert rules.apply(["gone", "mug", "ball", "pan", "kite", "unknown"], 5) == ["mug", "kite", "cup", "tea", "rug"]
    assert rules.apply(["ball", "pan", "kite"], 5) == ["ball", "pan", "cup", "tea", "kite"]


def test_apply_category_cap_before_brand_cap(rules: MerchandisingRules) -> None:
    """A product over the cap of its brand uses a place of its category, but not the other way round."""
    assert rules.apply(["ball", "mug", "pan", "kite"], 5) == ["ball", "kite", "cup", "tea", "rug"]
    assert rules.apply(["pan", "mug", "ball"], 2) == ["pan", "ball"]


def test_apply_short_list_ends_with_pins(rules: MerchandisingRules) -> None:
    assert rules.apply(["kite"], 9) == ["kite", "cup", "tea", "rug"]
    assert rules.apply(["kite", "pan"], 3, excluded_products=["kite", "cup"]) == ["pan", "tea", "rug"]
    assert rules.apply(["kite", "mug", "pan"], 2) == ["kite", "mug"]


def test_apply_list_is_prefix_of_longer_list(rules: MerchandisingRules) -> None:
    longest = rules.apply(["rug", "kite", "mug", "cup", "pan"], 9)
    assert longest == ["kite", "mug", "cup", "tea", "rug"]
    for n in range(1, 9):
        assert rules.apply(["rug", "kite", "mug", "cup", "pan"], n) == longest[:n]


def test_apply_reads_only_needed_products(rules: MerchandisingRules) -> None:
    ranking = iter(["gone", "kite", "mug", "pan"])
    assert rules.apply(ranking, 1) == ["kite"]
    assert list(ranking) == ["mug", "pan"]


def test_apply_stops_when_caps_are_reached() -> None:
    rows = [(product, True, "pans", "acme", 2, None, None) for product in "abcd"]
    ranking = iter("abcd")
    assert MerchandisingRules(pd.DataFrame(rows, columns=COLUMNS)).apply(ranking, 9) == ["a", "b"]
    assert list(ranking) == ["c", "d"]


def test_apply_without_rules_keeps_ranking() -> None:
    no_rules = pd.DataFrame({"product_id": ["a", "b"], "is_recommendable": True}).reindex(columns=COLUMNS)
    assert MerchandisingRules(no_rules).apply(["b", "a"], 2) == ["b", "a"]
