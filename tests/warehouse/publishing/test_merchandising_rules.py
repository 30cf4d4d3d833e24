"""The shop's rules over a list that is made outside SQL."""

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


def test_what_is_not_offered_or_finds_no_room_is_passed_over_and_pins_stand_in_their_places(
    rules: MerchandisingRules,
) -> None:
    assert rules.apply(["gone", "mug", "ball", "pan", "kite", "unknown"], 5) == ["mug", "kite", "cup", "tea", "rug"]
    assert rules.apply(["ball", "mug", "pan", "kite"], 5) == ["ball", "pan", "cup", "tea", "kite"]


def test_a_short_list_ends_with_its_pins_and_holds_nothing_that_was_ruled_out(rules: MerchandisingRules) -> None:
    assert rules.apply(["kite"], 9) == ["kite", "cup", "tea", "rug"]
    assert rules.apply(["kite", "pan"], 3, excluded_products=["kite", "cup"]) == ["pan", "tea", "rug"]
    assert rules.apply(["kite", "mug", "pan"], 2) == ["kite", "mug"]


def test_a_list_is_the_beginning_of_every_longer_one(rules: MerchandisingRules) -> None:
    longest = rules.apply(["rug", "kite", "mug", "cup", "pan"], 9)
    assert longest == ["kite", "mug", "cup", "tea", "rug"]
    for n in range(1, 9):
        assert rules.apply(["rug", "kite", "mug", "cup", "pan"], n) == longest[:n]


def test_no_more_of_a_ranking_is_read_than_is_needed(rules: MerchandisingRules) -> None:
    ranking = iter(["gone", "kite", "mug", "pan"])
    assert rules.apply(ranking, 1) == ["kite"]
    assert list(ranking) == ["mug", "pan"]


def test_a_ranking_is_read_no_further_once_all_caps_are_reached() -> None:
    rows = [(product, True, "pans", "acme", 2, None, None) for product in "abcd"]
    ranking = iter("abcd")
    assert MerchandisingRules(pd.DataFrame(rows, columns=COLUMNS)).apply(ranking, 9) == ["a", "b"]
    assert list(ranking) == ["c", "d"]


def test_a_shop_without_rules_keeps_the_ranking() -> None:
    nothing = pd.DataFrame({"product_id": ["a", "b"], "is_recommendable": True}).reindex(columns=COLUMNS)
    assert MerchandisingRules(nothing).apply(["b", "a"], 2) == ["b", "a"]
