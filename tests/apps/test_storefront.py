"""The shop's rules over what is made when it is asked for, in a made-up shop of 36 categories of ten products."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from apps.storefront import Storefront
from models_ml import reasons
from orchestration.bench.made_up_model import TABLES, MadeUpShop, make_up
from warehouse.database import writer
from warehouse.publish import publish
from warehouse.settings import Settings

CATEGORIES = 36
BASKET = ["P0000001", "P0000002"]


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    settings = Settings(warehouse=tmp_path)
    make_up(settings, MadeUpShop(products=400, customers=2, factors=8))
    return settings


def ruled(shop: Settings, *rules: str) -> Storefront:
    """The storefront when `rec_product_rules` was changed so."""
    with writer(shop) as connection:
        for rule in rules:
            connection.execute(f"update marts.rec_product_rules set {rule}")
    publish(shop, TABLES)
    return Storefront(shop)


def test_whoever_is_unknown_has_what_is_popular_under_the_rules(shop: Settings) -> None:
    with Storefront(shop) as storefront:
        popular = storefront.copy.popularity()
    last = popular[-1]
    with ruled(shop, "category_cap = 1", f"pinned_position = 3 where product_id = '{last}'") as storefront:
        listed = storefront.for_customer("nobody", 400)
        assert len(listed.products) == CATEGORIES
        assert listed.products["category"].is_unique
        assert listed.products["rank"].tolist() == list(range(1, CATEGORIES + 1))
        assert listed.products["product_id"].tolist()[:3] == [popular[0], popular[1], last]
        others = listed.products["product_id"].drop(2).map(popular.index)
        assert others.is_monotonic_increasing
        for short in (storefront.for_customer("nobody", 5), storefront.for_basket(["no such"], 5)):
            pd.testing.assert_frame_equal(short.products, listed.products.head(5))
        filtered = storefront.for_basket(["no such"], 400, only=popular[:200], without=popular[:3])
        assert filtered.products["category"].is_unique
        assert filtered.products["product_id"][0] == popular[3]
        assert last not in set(filtered.products["product_id"])
        assert storefront.similar("no such", 400).products["category"].is_unique


def test_a_list_for_a_basket_is_the_beginning_of_a_longer_one(shop: Settings) -> None:
    with Storefront(shop) as storefront:
        best = storefront.for_basket(BASKET, 1).products["product_id"][0]
    with ruled(shop, f"pinned_position = 9 where product_id = '{best}'") as storefront:
        longer = storefront.for_basket(BASKET, 30).products
        for n in (1, 8, 9, 12):
            pd.testing.assert_frame_equal(storefront.for_basket(BASKET, n).products, longer.head(n))
    pinned = longer[longer["source"] == "pinned"]
    assert pinned[["rank", "product_id", "reason"]].to_numpy().tolist() == [[9, best, "Chosen by the shop"]]
    assert pinned["reason_product_id"].isna().all()
    assert longer["reason_product_id"].drop(8).isin(BASKET).all()


def test_what_the_model_does_not_know_is_pinned_all_the_same(shop: Settings) -> None:
    pinned = "'new' as product_id, true as is_recommendable, 2 as pinned_position"
    with writer(shop) as connection:
        connection.execute(
            f"insert into marts.rec_product_rules select * replace ({pinned}) from marts.rec_product_rules limit 1"
        )
    with ruled(shop) as storefront:
        listed = storefront.for_basket(BASKET, 3).products
        assert (listed["product_id"][1], listed["source"][1], listed["score"][1]) == ("new", "pinned", 0)
        others = listed["product_id"].drop(1).tolist()
        assert storefront.for_basket(BASKET, 3, only=others).products["product_id"].tolist() == others


def test_caps_that_leave_a_list_short_have_no_more_explained_than_is_in_it(
    shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained: list[int] = []
    strongest_reasons = reasons.strongest_reasons

    def counted(model: Any, strength: Any, candidates: Any) -> Any:
        explained.append(candidates.shape[1])
        return strongest_reasons(model, strength, candidates)

    monkeypatch.setattr("models_ml.recommender.strongest_reasons", counted)
    with ruled(shop, "category_cap = 1") as storefront:
        listed = storefront.for_basket(BASKET, 100).products
    assert len(listed) == CATEGORIES
    assert listed["category"].is_unique
    assert listed["score"].is_monotonic_decreasing
    assert explained == [CATEGORIES]
