"""Previews of rules for placements; tests/apps/cli/test_rules_commands.py compares those of home lists with a build."""

from collections.abc import Iterator

import pytest

from warehouse.errors import RecomartError
from warehouse.publishing.rule_preview import preview_rule
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.settings import Settings


@pytest.fixture
def copy(demo_warehouse: Settings) -> Iterator[ServingCopy]:
    with ServingCopy(demo_warehouse) as serving_copy:
        yield serving_copy


def make_rule(kind: str, product: str, *placements: str, position: int | None = None) -> Rule:
    return Rule.model_validate(
        {"kind": kind, "scope": "product", "value": product, "position": position, "placements": placements}
    )


def find_product(copy: ServingCopy, placement: str) -> str:
    rows = copy.query_frame("select product_id from rec_placement_lists where placement = ? limit 1", placement)
    return str(rows["product_id"].iloc[0])


def test_preview_has_lists_of_placement(copy: ServingCopy) -> None:
    product = find_product(copy, "email")
    preview = preview_rule(copy, make_rule("block", product, "email"))
    lists = preview.lists
    assert set(lists["list_name"].str.split(", ").str[0]) == {"email"}
    assert lists["rank"].max() == 3
    assert preview.changed_count == (lists["product_id_before"] == product).sum() > 0
    assert product not in set(lists["product_id_after"])
    assert preview.leaving["product_id"].tolist() == [product]


def test_pin_replaces_last_product(copy: ServingCopy) -> None:
    product = find_product(copy, "popular_in_category")
    preview = preview_rule(copy, make_rule("pin", product, "email", position=1))
    lists = preview.lists
    assert set(lists.loc[lists["rank"] == 1, "product_id_after"]) == {product}
    assert lists["rank"].max() == 3


def test_pin_is_not_added_to_popular(copy: ServingCopy) -> None:
    product = find_product(copy, "popular_in_category")
    preview = preview_rule(copy, make_rule("pin", product, "popular_in_category", position=1))
    lists = preview.lists
    has_product = lists.groupby("list_name")["product_id_before"].agg(lambda products: product in set(products))
    first = lists[lists["rank"] == 1].set_index("list_name")["product_id_after"] == product
    assert 0 < first.sum() == has_product.sum() < len(first)
    assert preview.lost_dcg_share is None


def test_basket_has_no_preview(copy: ServingCopy) -> None:
    rule = make_rule("block", find_product(copy, "email"), "basket")
    with pytest.raises(RecomartError, match="no published list is of its customers and placements"):
        preview_rule(copy, rule)
