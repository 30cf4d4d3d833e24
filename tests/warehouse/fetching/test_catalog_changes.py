"""A catalog that changes while it is paged arrives whole, every product once, or not at all."""

import random
from typing import Any

import pytest

from tests.warehouse.fetching.catalog_service import ApiShop, CatalogService, make_products
from warehouse.errors import RecomartError

SHIFTING_STYLES = ["page", "offset", "next_link", "link_header"]
ALL_STYLES = [*SHIFTING_STYLES, "cursor"]


def remove_one(service: CatalogService) -> None:
    del service.products[2]


def insert_one(service: CatalogService) -> None:
    service.products.insert(0, {"sku": "A", "name": "new", "price": 1})


def replace_one(service: CatalogService) -> None:
    """The number of products stays, and yet one of them moves to a page that was read already."""
    del service.products[2]
    service.products.append({"sku": "Z", "name": "new", "price": 1})


def reverse_products(service: CatalogService) -> None:
    service.products.reverse()


def swap_products(service: CatalogService) -> None:
    """Two products change places across a page that was read and one that was not."""
    service.products[3], service.products[25] = service.products[25], service.products[3]


def change_prices(service: CatalogService) -> None:
    service.products = [{**product, "price": 1} for product in service.products]


def change_at_request(number: int, change: Any, service: CatalogService) -> None:
    service.on_request = lambda asked: change(service) if asked == number else None


def sort_by_id(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda product: str(product["sku"]))


@pytest.mark.parametrize("has_total", [True, False])
@pytest.mark.parametrize("style", SHIFTING_STYLES)
@pytest.mark.parametrize("change", [remove_one, insert_one, replace_one, reverse_products, swap_products])
@pytest.mark.parametrize("when", [2, 4])
def test_after_a_change_every_product_of_the_catalog_arrives_once(
    api: ApiShop, style: str, change: Any, when: int, has_total: bool
) -> None:
    api.declare(style, **({"total": "meta.total"} if has_total and style != "link_header" else {}))
    change_at_request(when, change, api.service)
    api.fetch()
    assert sort_by_id(api.read_fetched()) == sort_by_id(api.service.products)


@pytest.mark.parametrize("style", SHIFTING_STYLES)
def test_a_catalog_that_changes_in_every_reading_fails_clearly(api: ApiShop, style: str) -> None:
    api.declare(style, max_passes=3)

    def every_third_request(asked: int) -> None:
        if asked % 3 == 2:
            api.service.products.insert(0, {"sku": f"N{asked:04d}", "name": "new"})

    api.service.on_request = every_third_request
    with pytest.raises(RecomartError, match="the catalog changed during each of 3 passes"):
        api.fetch()
    assert api.list_files() == []
    api.service.on_request = lambda _: None
    assert api.fetch().resumed_page_count == 0
    assert sort_by_id(api.read_fetched()) == sort_by_id(api.service.products)


def test_a_cursor_with_a_total_is_held_to_it(api: ApiShop) -> None:
    api.declare("cursor", total="meta.total")
    change_at_request(3, remove_one, api.service)
    assert api.fetch().pass_count == 2
    assert api.read_fetched() == api.service.products


def test_one_page_with_a_total_is_held_to_it(api: ApiShop) -> None:
    api.declare("none", path="numbered", records="data.items", total="meta.total")
    with pytest.raises(RecomartError, match="10 records arrived, but the service's total is 35"):
        api.fetch()


@pytest.mark.parametrize("style", ALL_STYLES)
def test_repeated_products_are_dropped(api: ApiShop, style: str) -> None:
    api.service.products = sorted(make_products(35) + make_products(20), key=lambda product: product["sku"])
    api.declare(style)
    api.fetch()
    assert api.read_fetched() == make_products(35)


def test_new_prices_between_readings_arrive_as_they_are_last(api: ApiShop) -> None:
    change_at_request(6, change_prices, api.service)
    api.fetch()
    assert [product["price"] for product in api.read_fetched()[10:]] == [1] * 25


@pytest.mark.parametrize("style", ALL_STYLES)
def test_an_id_with_two_contents_in_one_reading_is_a_change(api: ApiShop, style: str) -> None:
    api.service.products.insert(15, {"sku": "P0015", "name": "another"})

    def mend(asked: int) -> None:
        if asked == 6:
            del api.service.products[15]

    api.service.on_request = mend
    api.declare(style)
    assert api.fetch().pass_count > 1
    assert sort_by_id(api.read_fetched()) == make_products(35)


def test_an_id_that_always_has_two_contents_is_named(api: ApiShop) -> None:
    api.service.products.insert(15, {"sku": "P0015", "name": "another"})
    with pytest.raises(RecomartError, match="'P0015' has two different contents"):
        api.fetch()


@pytest.mark.parametrize("style", SHIFTING_STYLES)
@pytest.mark.parametrize("seed", range(10))
def test_whatever_changes_when_what_was_there_all_along_arrives_once(api: ApiShop, style: str, seed: int) -> None:
    rng = random.Random(seed)
    throughout = {product["sku"] for product in api.service.products}

    def change(asked: int) -> None:
        if rng.random() < 0.8:
            return
        rng.choice([remove_one, insert_one, replace_one, swap_products, lambda service: rng.shuffle(service.products)])(
            api.service
        )
        for product in api.service.products:
            if len(product["sku"]) == 1:
                product["sku"] = f"N{asked}"
        throughout.intersection_update(product["sku"] for product in api.service.products)

    api.service.on_request = change
    api.declare(style, max_passes=50)
    api.fetch()
    arrived = [product["sku"] for product in api.read_fetched()]
    assert throughout <= set(arrived)
    assert len(arrived) == len(set(arrived))
