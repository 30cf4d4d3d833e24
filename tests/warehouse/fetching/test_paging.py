"""Every paging style brings every product once; what is wrong with a page or its way is said."""

import json
from typing import Any

import pytest

from tests.warehouse.fetching.catalog_service import PAGING_STYLES, ApiShop, CatalogHandler, make_products
from warehouse.errors import RecomartError


@pytest.mark.parametrize("style", PAGING_STYLES)
@pytest.mark.parametrize("number", [1, 10, 35])
def test_every_product_arrives_once_in_one_file(api: ApiShop, style: str, number: int) -> None:
    api.service.products = make_products(number)
    total = {} if style in ("link_header", "none") else {"total": "meta.total"}
    size = {"paging": {"style": "link_header", "size": 11}} if style == "link_header" else {}
    api.declare(style, **total, **size)
    fetched = api.fetch()
    assert api.read_fetched() == make_products(number)
    assert fetched.record_count == number
    assert fetched.is_new
    assert [fetched.file] == api.list_files()


@pytest.mark.parametrize("style", PAGING_STYLES)
def test_without_a_total_the_end_is_found_all_the_same(api: ApiShop, style: str) -> None:
    api.declare(style)
    api.fetch()
    assert api.read_fetched() == make_products(35)


def test_a_cursor_is_read_once_and_what_can_shift_until_two_readings_agree(api: ApiShop) -> None:
    api.declare("cursor")
    assert (api.fetch().pass_count, len(api.service.requested_paths)) == (1, 4)
    api.service.requested_paths.clear()
    api.declare("page", total="meta.total")
    assert (api.fetch().pass_count, len(api.service.requested_paths)) == (2, 8)


def test_the_name_of_the_file_is_the_time_and_sorts_after_the_one_before(api: ApiShop) -> None:
    first = api.fetch().file
    api.service.products = make_products(36)
    second = api.fetch().file
    assert first < second
    assert all(file[:10] == "catalog/20" and file.endswith("Z.jsonl") for file in (first, second))
    assert api.list_files() == [first, second]


def test_an_unchanged_catalog_writes_no_other_file_whatever_the_order_of_its_products(api: ApiShop) -> None:
    first = api.fetch()
    api.service.products.reverse()
    again = api.fetch()
    assert (again.is_new, again.file, api.list_files()) == (False, first.file, [first.file])


def test_parameters_go_with_every_request_and_numbers_stay_as_they_are_written(api: ApiShop) -> None:
    def one_product(handler: CatalogHandler) -> None:
        handler.send(b'[{"sku": 7, "price": 9.90, "big": 12345678901234567890.10}]')

    api.declare("none", params={"active": True, "sort": "sku"})
    api.service.faults[1] = one_product
    api.fetch()
    assert api.service.requested_paths == ["/all?active=true&sort=sku"]
    text = (api.shop.landing / api.list_files()[0]).read_text()
    assert text == '{"sku": 7, "price": 9.90, "big": 12345678901234567890.10}\n'


@pytest.mark.parametrize("style", ["next_link", "link_header"])
def test_a_link_is_followed_with_all_its_parameters_where_no_secret_can_be_among_them(api: ApiShop, style: str) -> None:
    api.service.link_suffix = "&None=1"
    api.declare(style)
    api.fetch()
    assert [address for address in api.service.requested_paths if "page=" in address and "None=1" not in address] == []


def test_a_service_that_gives_smaller_pages_than_it_was_asked_for_is_followed(api: ApiShop) -> None:
    api.declare("offset", paging={"style": "offset", "size": 500, "size_param": "most"}, path="small")

    def small(handler: CatalogHandler) -> None:
        offset = int(handler.path.split("offset=")[1].split("&")[0])
        handler.send_json(handler.wrap_page(api.service.products[offset : offset + 4]))

    api.service.faults = dict.fromkeys(range(1, 100), small)
    api.fetch()
    assert api.read_fetched() == make_products(35)


def test_what_has_no_id_is_kept_for_cleaning_to_judge(api: ApiShop) -> None:
    api.service.products = [
        *make_products(40),
        {"sku": None, "name": "nobody"},
        {"name": "nothing"},
        {"name": "nothing"},
    ]
    assert api.fetch().record_count == 42
    assert {"name": "nothing"} in api.read_fetched()


@pytest.mark.parametrize(
    ("style", "body", "message"),
    [
        ("page", {"error": "closed for repair"}, "a page has no 'data.items'; it is an object with error"),
        ("page", {"data": {"items": {"sku": 1}}}, "'data.items' of a page is not a list of records"),
        ("none", {"items": []}, "a page is not a list of records; it is an object with items. Correct `records`"),
        ("none", [], "the service has no records"),
        ("none", [{"id": 1, "nm": "x"}], "no record has an id under 'sku'; they have id, nm"),
        ("cursor", {"data": {"items": [{"sku": 1}]}}, "the first page has no 'meta.next'; it is an object with data"),
        ("cursor", {"data": {"items": [{"sku": 1}]}, "meta": {"next": {"a": 1}}}, "neither text nor a number"),
        ("next_link", {"data": {"items": [{"sku": 1}]}}, "the first page has no 'meta.next'"),
        ("next_link", {"data": {"items": [{"sku": 1}]}, "meta": {"next": 5}}, "the link to the next page is not a URL. Correct `paging`"),
        (
            "next_link",
            {"data": {"items": []}, "meta": {"next": "https://evil.example/"}},
            "at https://evil.example, and",
        ),
        ("next_link", {"data": {"items": []}, "meta": {"next": "http://[bad"}}, "the link to the next page is not a URL. Correct `paging`"),
        ("link_header", [{"sku": 1}], "the first page has no header `Link`"),
    ],
)
def test_what_is_no_page_as_declared_is_refused_and_shows_nothing(
    api: ApiShop, style: str, body: Any, message: str
) -> None:
    api.declare(style)
    api.service.faults = dict.fromkeys(range(1, 9), lambda handler: handler.send_json(body))
    with pytest.raises(RecomartError) as error:
        api.fetch()
    assert str(error.value).startswith("feeds.products.api: ")
    assert message in str(error.value)
    assert api.list_files() == []


def test_a_total_that_is_not_there_is_refused(api: ApiShop) -> None:
    api.declare("page", total="meta.count")
    with pytest.raises(RecomartError, match=r"no total number of records under 'meta\.count'"):
        api.fetch()


def test_null_is_an_empty_list_as_some_services_write_it(api: ApiShop) -> None:
    api.declare("page")
    api.service.products = make_products(10)
    api.service.faults = dict.fromkeys([2, 4], lambda handler: handler.send_json({"data": {"items": None}}))
    api.fetch()
    assert api.read_fetched() == make_products(10)


@pytest.mark.parametrize(
    ("style", "changes"),
    [
        ("page", {"paging": {"style": "page", "param": "pg"}}),
        ("offset", {"path": "numbered"}),
        ("cursor", {"paging": {"style": "cursor", "path": "meta.next", "param": "crsr"}}),
        ("next_link", {"path": "numbered", "paging": {"style": "next_link", "path": "meta.self"}}),
    ],
)
def test_pages_that_never_end_are_noticed(api: ApiShop, style: str, changes: dict[str, Any]) -> None:
    api.declare(style, **changes)
    to_itself = {"data": {"items": make_products(3)}, "meta": {"self": "/numbered"}}
    if style == "next_link":
        api.service.faults = dict.fromkeys(range(1, 99), lambda handler: handler.send_json(to_itself))
    with pytest.raises(RecomartError, match="the pages never end: page"):
        api.fetch()
    assert len(api.service.requested_paths) < 30
    assert api.list_files() == []


def test_a_catalog_of_many_pages_holds_every_text_a_product_may_have(api: ApiShop) -> None:
    odd = ["\ud800", "line\nend", "\u2028", "\x00", 'quote"', "日本語", ""]
    api.service.products = [{"sku": f"{n}", "name": text} for n, text in enumerate(odd)]
    api.declare("cursor", total="meta.total")
    api.fetch()
    assert json.dumps(api.read_fetched()) == json.dumps(api.service.products)
