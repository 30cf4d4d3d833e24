"""Explored places: an analyst sets explore_share in the project of a trained shop, and builds the lists."""

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.analyst_project import AnalystProject
from warehouse.settings import Settings

EXPLORE_SHARE = 0.2
pytestmark = pytest.mark.slow

PIN_RANK = 3


class ExploredPlace(NamedTuple):
    """A place of a list after the exchanges."""

    product: str
    source: str
    is_explored: bool
    propensity: float


Lists = dict[str, list[ExploredPlace]]


class ExploredShop(NamedTuple):
    """A shop with a pin, before and after the exploration."""

    analyst: AnalystProject
    lists_before: dict[str, list[tuple[str, str]]]
    lists: Lists


def read_explored_lists(analyst: AnalystProject) -> Lists:
    lists: Lists = defaultdict(list)
    rows = analyst.query(
        "select user_id, product_id, source, is_explored, propensity from intermediate.int_recommendations_ranked "
        "order by user_id, rank"
    )
    for user, *place in rows:
        lists[user].append(ExploredPlace(*place))
    return lists


def set_explore_share(analyst: AnalystProject, share: float) -> None:
    file = analyst.project / "dbt_project.yml"
    text = file.read_text(encoding="utf-8")
    assert "  explore_share: 0\n" in text
    file.write_text(text.replace("  explore_share: 0\n", f"  explore_share: {share}\n"), encoding="utf-8")


@pytest.fixture(scope="module")
def shop(demo_warehouse: Settings, analyst_folder: Path) -> ExploredShop:
    analyst = AnalystProject(demo_warehouse, analyst_folder)
    ((pinned,),) = analyst.query("select min(product_id) from marts.rec_product_rules where is_recommendable")
    analyst.write_rules({"kind": "pin", "scope": "product", "value": pinned, "position": PIN_RANK})
    result = analyst.build("source:merchandising+,+rec_top_n source:merchandising+,+rec_placement_lists")
    assert result.returncode == 0, result.stdout[-3000:]
    lists_before = analyst.read_lists()
    assert analyst.query("select distinct propensity, is_explored from intermediate.int_recommendations_ranked") == [
        (None, False)
    ]
    set_explore_share(analyst, EXPLORE_SHARE)
    result = analyst.build("int_recommendations_ranked reason_texts rec_top_n")
    assert result.returncode == 0, result.stdout[-3000:]
    return ExploredShop(analyst, lists_before, read_explored_lists(analyst))


def compute_hash(text: str) -> int:
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)


def exchange_places(products: list[str], user: str, day: str) -> list[str]:
    """Return a list without pins after the exchanges, computed in a simple way."""
    proposals = []
    for place in range(len(products)):
        key = f"|{day}|{user}|{place + 1}"
        if compute_hash(f"explored{key}") < EXPLORE_SHARE / 2 * 2**32:
            shift = 1 + compute_hash(f"other place{key}") % (len(products) - 1)
            proposals.append((place, (place + shift) % len(products)))
    proposed = [place for proposal in proposals for place in proposal]
    exchanged = products.copy()
    for place, other in proposals:
        if proposed.count(place) == proposed.count(other) == 1:
            exchanged[place], exchanged[other] = products[other], products[place]
    return exchanged


def test_exchanges_equal_python(shop: ExploredShop) -> None:
    """Products exchange their places, pins keep theirs, and the list of anonymous users stays."""
    ((day,),) = shop.analyst.query("select last_date from intermediate.int_feature_cutoffs where cutoff = 'now'")
    assert shop.lists.keys() == shop.lists_before.keys()
    for user, places in shop.lists.items():
        before = shop.lists_before[user]
        assert (places[PIN_RANK - 1].product, places[PIN_RANK - 1].source) == before[PIN_RANK - 1]
        expected = [product for product, source in before if source != "pinned"]
        if user:
            expected = exchange_places(expected, user, str(day))
        assert [place.product for place in places if place.source != "pinned"] == expected


def test_propensities_are_shares(shop: ExploredShop) -> None:
    """An exchanged place has the probability of the exchange, another place that of none, and a pin 1."""
    explored_count = place_count = 0
    expected_count = 0.0
    for user, places in shop.lists.items():
        before = shop.lists_before[user]
        for place, (product, source) in zip(places, before, strict=True):
            assert place.is_explored == (place.product != product)
            size = sum(source != "pinned" for _, source in before)
            proposal = EXPLORE_SHARE / 2
            exchange = 2 * proposal / (size - 1) * (1 - proposal) * (1 - 2 * proposal / (size - 1)) ** (size - 2)
            if source == "pinned" or not user:
                expected = 1.0
            else:
                expected = exchange if place.is_explored else 1 - (size - 1) * exchange
                expected_count += (size - 1) * exchange
                place_count += 1
            assert place.propensity == pytest.approx(expected, abs=1e-9)
            explored_count += place.is_explored
    assert place_count > 10_000
    # Four standard deviations, with pairs that are explored together.
    assert abs(explored_count - expected_count) < 4 * (2 * expected_count) ** 0.5


def test_explored_places_have_reason(shop: ExploredShop) -> None:
    rows = shop.analyst.query(
        "select reason, reason_product_id, count(*), max(propensity) < 0.01 from marts.rec_top_n "
        "where reason_key = 'explored' group by all"
    )
    explored_count = sum(place.is_explored for places in shop.lists.values() for place in places)
    assert rows == [("Shown to learn what you like", None, explored_count, True)]


def test_invalid_share_stops_build(shop: ExploredShop) -> None:
    file = shop.analyst.project / "dbt_project.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"explore_share: {EXPLORE_SHARE}", "explore_share: 0.3"), encoding="utf-8")
    result = shop.analyst.build("int_recommendations_ranked")
    file.write_text(text, encoding="utf-8")
    assert result.returncode != 0
    assert "explore_share is 0.3 and must be a number, at least 0 and at most 0.2" in result.stdout
