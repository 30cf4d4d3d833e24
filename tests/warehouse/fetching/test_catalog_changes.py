"""A catalog that changes during a fetch is written completely, each product once, or not at all."""

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
    """Keep the number of products, but move one to a page that was already read."""
    del service.products[2]
    service.products.append({"sku": "Z", "name": "new", "price": 1})


def reverse_products(service: CatalogService) -> None:
    service.products.reverse()


def swap_products(service: CatalogService) -> None:
    """Swap a product of a page that was read with one of a page that was not."""
    service.products[3], service.products[25] = service.products[25], service.products[3]


def change_prices(service: CatalogService) -> None:
    service.products = [{**product, "price": 1} for product in service.products]


def change_at_request(number: int, change: Any, service: CatalogService) -> None:
    service.on_request = lambda request: change(service) if request == number else None


def sort_by_id(products: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(products, key=lambda product: str(product["sku"]))


@pytest.mark.parametrize("has_total", [True, False])
@pytest.mark.parametrize("style", SHIFTING_STYLES)
@pytest.mark.parametrize("change", [remove_one, insert_one, replace_one, reverse_products, swap_products])
@pytest.mark.parametrize("request_number", [2, 4])
def test_fetch_of_changed_catalog_is_complete(
    api: ApiShop, style: str, change: Any, request_number: int, has_total: bool
) -> None:
    api.declare(style, **({"total": "meta.total"} if has_total and style != "link_header" else {}))
    change_at_request(request_number, change, api.service)
    api.fetch()
    assert sort_by_id(api.read_fetched()) == sort_by_id(api.service.products)


@pytest.mark.parametrize("style", SHIFTING_STYLES)
def test_catalog_changing_in_each_pass_fails(api: ApiShop, style: str) -> None:
    api.declare(style, max_passes=3)

    def insert_at_every_third_request(request: int) -> None:
        if request % 3 == 2:
            api.service.products.insert(0, {"sku": f"N{request:04d}", "name": "new"})

    api.service.on_request = insert_at_every_third_request
    with pytest.raises(RecomartError, match="the catalog changed during each of 3 passes"):
        api.fetch()
    assert api.list_files() == []
    api.service.on_request = lambda _: None
    assert api.fetch().resumed_page_count == 0
    assert sort_by_id(api.read_fetched()) == sort_by_id(api.service.products)


def test_cursor_total_mismatch_repeats_pass(api: ApiShop) -> None:
    api.declare("cursor", total="meta.total")
    change_at_request(3, remove_one, api.service)
    assert api.fetch().pass_count == 2
    assert api.read_fetched() == api.service.products


def test_single_page_total_mismatch_fails(api: ApiShop) -> None:
    api.declare("none", path="numbered", records="data.items", total="meta.total")
    with pytest.raises(RecomartError, match="10 records arrived, but the service's total is 35"):
        api.fetch()


@pytest.mark.parametrize("style", ALL_STYLES)
def test_repeated_products_are_dropped(api: ApiShop, style: str) -> None:
    api.service.products = sorted(make_products(35) + make_products(20), key=lambda product: product["sku"])
    api.declare(style)
    api.fetch()
    assert api.read_fetched() == make_products(35)


def test_last_pass_determines_prices(api: ApiShop) -> None:
    change_at_request(6, change_prices, api.service)
    api.fetch()
    assert [product["price"] for product in api.read_fetched()[10:]] == [1] * 25


@pytest.mark.parametrize("style", ALL_STYLES)
def test_conflicting_id_repeats_pass(api: ApiShop, style: str) -> None:
    api.service.products.insert(15, {"sku": "P0015", "name": "another"})

    def remove_conflict(request: int) -> None:
        if request == 6:
            del api.service.products[15]

    api.service.on_request = remove_conflict
    api.declare(style)
    assert api.fetch().pass_count > 1
    assert sort_by_id(api.read_fetched()) == make_products(35)


def test_permanently_conflicting_id_fails(api: ApiShop) -> None:
    api.service.products.insert(15, {"sku": "P0015", "name": "another"})
    with pytest.raises(RecomartError, match="'P0015' has two different contents"):
        api.fetch()


@pytest.mark.parametrize("style", SHIFTING_STYLES)
@pytest.mark.parametrize("seed", range(10))
def test_random_changes_keep_stable_products(api: ApiShop, style: str, seed: int) -> None:
    """Products that exist during the whole fetch arrive exactly once."""
    rng = random.Random(seed)
    stable_ids = {product["sku"] for product in api.service.products}

    def change(request: int) -> None:
        if rng.random() < 0.8:
            return
        rng.choice([remove_one, insert_one, replace_one, swap_products, lambda service: rng.shuffle(service.products)])(
            api.service
        )
        for product in api.service.products:
            if len(product["sku"]) == 1:
                product["sku"] = f"N{request}"
        stable_ids.intersection_update(product["sku"] for product in api.service.products)

    api.service.on_request = change
    api.declare(style, max_passes=50)
    api.fetch()
    fetched_ids = [product["sku"] for product in api.read_fetched()]
    assert stable_ids <= set(fetched_ids)
    assert len(fetched_ids) == len(set(fetched_ids))
