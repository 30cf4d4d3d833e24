"""Paging styles, and errors of invalid pages."""

import json
from typing import Any

import pytest

from tests.warehouse.fetching.catalog_service import PAGING_STYLES, ApiShop, CatalogHandler, make_products
from warehouse.errors import RecomartError


@pytest.mark.parametrize("style", PAGING_STYLES)
@pytest.mark.parametrize("count", [1, 10, 35])
def test_fetch_writes_each_product_once(api: ApiShop, style: str, count: int) -> None:
    api.service.products = make_products(count)
    total = {} if style in ("link_header", "none") else {"total": "meta.total"}
    size = {"paging": {"style": "link_header", "size": 11}} if style == "link_header" else {}
    api.declare(style, **total, **size)
    report = api.fetch()
    assert api.read_fetched() == make_products(count)
    assert report.record_count == count
    assert report.is_new
    assert [report.file] == api.list_files()


@pytest.mark.parametrize("style", PAGING_STYLES)
def test_fetch_without_total(api: ApiShop, style: str) -> None:
    api.declare(style)
    api.fetch()
    assert api.read_fetched() == make_products(35)


def test_fetch_pass_count_by_paging_style(api: ApiShop) -> None:
    """A cursor needs one pass; pages that can shift need two equal passes."""
    api.declare("cursor")
    assert (api.fetch().pass_count, len(api.service.requested_paths)) == (1, 4)
    api.service.requested_paths.clear()
    api.declare("page", total="meta.total")
    assert (api.fetch().pass_count, len(api.service.requested_paths)) == (2, 8)


def test_fetched_file_names_sort_by_time(api: ApiShop) -> None:
    first = api.fetch().file
    api.service.products = make_products(36)
    second = api.fetch().file
    assert first < second
    assert all(file[:10] == "catalog/20" and file.endswith("Z.jsonl") for file in (first, second))
    assert api.list_files() == [first, second]


def test_unchanged_catalog_writes_no_file(api: ApiShop) -> None:
    first = api.fetch()
    api.service.products.reverse()
    second = api.fetch()
    assert (second.is_new, second.file, api.list_files()) == (False, first.file, [first.file])


def test_fetch_sends_params_and_keeps_numbers(api: ApiShop) -> None:
    def send_one_product(handler: CatalogHandler) -> None:
        handler.send(b'[{"sku": 7, "price": 9.90, "big": 12345678901234567890.10}]')

    api.declare("none", params={"active": True, "sort": "sku"})
    api.service.faults[1] = send_one_product
    api.fetch()
    assert api.service.requested_paths == ["/all?active=true&sort=sku"]
    text = (api.shop.landing / api.list_files()[0]).read_text()
    assert text == '{"sku": 7, "price": 9.90, "big": 12345678901234567890.10}\n'


@pytest.mark.parametrize("style", ["next_link", "link_header"])
def test_links_keep_all_query_parameters(api: ApiShop, style: str) -> None:
    api.service.link_suffix = "&None=1"
    api.declare(style)
    api.fetch()
    assert [path for path in api.service.requested_paths if "page=" in path and "None=1" not in path] == []


def test_offset_follows_smaller_pages(api: ApiShop) -> None:
    api.declare("offset", paging={"style": "offset", "size": 500, "size_param": "most"}, path="small")

    def send_small_page(handler: CatalogHandler) -> None:
        offset = int(handler.path.split("offset=")[1].split("&")[0])
        handler.send_json(handler.wrap_page(api.service.products[offset : offset + 4]))

    api.service.faults = dict.fromkeys(range(1, 100), send_small_page)
    api.fetch()
    assert api.read_fetched() == make_products(35)


def test_records_without_id_are_kept(api: ApiShop) -> None:
    api.service.products = [
        *make_products(40),
        {"sku": None, "name": "null id"},
        {"name": "no id"},
        {"name": "no id"},
    ]
    assert api.fetch().record_count == 42
    assert {"name": "no id"} in api.read_fetched()


@pytest.mark.parametrize(
    ("style", "body", "message"),
    [
        ("page", {"error": "closed for repair"}, "a page has no 'data.items'; it is an object with error"),
        ("page", {"data": {"items": {"sku": 1}}}, "'data.items' of a page is not a list of records"),
        ("none", {"items": []}, "a page is not a list of records; it is an object with items. Correct `records`"),
        ("none", [], "the service has no records"),
        ("none", [{"id": 1, "nm": "x"}], "no record has an id under 'sku'; they have id, nm"),
        ("cursor", {"data": {"items": [{"sku": 1}]}}, "the first page has no 'meta.next'; it is an object with data"),
        ("cursor", {"data": {"items": [{"sku": 1}]}, "meta": {"next": {"a": 1}}}, "not a text or number"),
        ("next_link", {"data": {"items": [{"sku": 1}]}}, "the first page has no 'meta.next'"),
        (
            "next_link",
            {"data": {"items": [{"sku": 1}]}, "meta": {"next": 5}},
            "the link to the next page is not a URL. Correct `paging`",
        ),
        (
            "next_link",
            {"data": {"items": []}, "meta": {"next": "https://evil.example/"}},
            "leads to https://evil.example, but",
        ),
        (
            "next_link",
            {"data": {"items": []}, "meta": {"next": "http://[bad"}},
            "the link to the next page is not a URL. Correct `paging`",
        ),
        ("link_header", [{"sku": 1}], "the first page has no header `Link`"),
    ],
)
def test_invalid_pages_fail_without_file(api: ApiShop, style: str, body: Any, message: str) -> None:
    api.declare(style)
    api.service.faults = dict.fromkeys(range(1, 9), lambda handler: handler.send_json(body))
    with pytest.raises(RecomartError) as error:
        api.fetch()
    assert str(error.value).startswith("feeds.products.api: ")
    assert message in str(error.value)
    assert api.list_files() == []


def test_missing_total_fails(api: ApiShop) -> None:
    api.declare("page", total="meta.count")
    with pytest.raises(RecomartError, match=r"no total number of records under 'meta\.count'"):
        api.fetch()


def test_null_list_is_empty_page(api: ApiShop) -> None:
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
def test_endless_pages_fail(api: ApiShop, style: str, changes: dict[str, Any]) -> None:
    api.declare(style, **changes)
    page_linking_to_itself = {"data": {"items": make_products(3)}, "meta": {"self": "/numbered"}}
    if style == "next_link":
        api.service.faults = dict.fromkeys(range(1, 99), lambda handler: handler.send_json(page_linking_to_itself))
    with pytest.raises(RecomartError, match="the pages never end: page"):
        api.fetch()
    assert len(api.service.requested_paths) < 30
    assert api.list_files() == []


def test_fetch_keeps_special_texts(api: ApiShop) -> None:
    texts = ["\ud800", "line\nend", "\u2028", "\x00", 'quote"', "日本語", ""]
    api.service.products = [{"sku": f"{n}", "name": text} for n, text in enumerate(texts)]
    api.declare("cursor", total="meta.total")
    api.fetch()
    assert json.dumps(api.read_fetched()) == json.dumps(api.service.products)
