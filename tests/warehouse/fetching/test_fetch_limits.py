"""Limits of bytes, pages and time of a fetch, and the warning of secrets over plain http."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.warehouse.fetching.catalog_service import ApiShop, CatalogHandler, CatalogService, make_products
from warehouse.errors import RecomartError
from warehouse.sources.rest_api import Api


def send_large_page(handler: CatalogHandler) -> None:
    handler.send(b'["' + b"x" * 3_000_000 + b'"]')


def send_compressed_bomb(handler: CatalogHandler) -> None:
    # On a busy machine, the compression of more bytes lasts until the client asks again.
    handler.send(gzip.compress(b'["' + b"x" * 30_000_000 + b'"]', 1), headers={"Content-Encoding": "gzip"})


def send_endless_body(handler: CatalogHandler, status: int = 200) -> None:
    """Send a body until the client closes the connection."""
    handler.send_response(status)
    handler.send_header("Location", "/all")
    handler.end_headers()
    handler.close_connection = True
    try:
        while not handler.server.released.is_set():
            handler.wfile.write(b"x" * 100_000)
    except OSError:
        return


def send_slowly(handler: CatalogHandler) -> None:
    """Send a byte at a time, so that no wait for the next bytes is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True
    try:
        while not handler.server.released.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()
    except OSError:
        return


@pytest.mark.parametrize("fault", [send_large_page, send_compressed_bomb, send_endless_body])
def test_page_has_limited_bytes(api: ApiShop, service: CatalogService, fault: Callable[[CatalogHandler], None]) -> None:
    api.declare("page", limits={"page_mb": 2})
    service.faults[2] = fault
    with pytest.raises(RecomartError, match="a page has more than 2 MB"):
        api.fetch()
    assert api.list_files() == []
    api.fetch()
    assert len(api.read_fetched()) == 35


def test_fetch_has_limited_bytes(api: ApiShop) -> None:
    api.declare("page", limits={"total_mb": 0.002})
    with pytest.raises(RecomartError, match=r"the pages have more than 0\.002 MB"):
        api.fetch()
    assert api.list_files() == []


def test_pass_has_limited_pages(api: ApiShop, service: CatalogService) -> None:
    service.products = make_products(100)
    api.declare("cursor", limits={"pages": 5})
    with pytest.raises(RecomartError, match="a pass has more than 5 pages"):
        api.fetch()
    assert api.list_files() == []
    api.declare("cursor", limits={"pages": 10})
    api.fetch()
    assert len(api.read_fetched()) == 100


def test_fetch_has_limited_time(api: ApiShop, service: CatalogService) -> None:
    api.declare("page", limits={"minutes": 0.02})
    service.faults[2] = send_slowly
    start = time.monotonic()
    with pytest.raises(RecomartError, match=r"the fetch takes more than 0\.02 minutes"):
        api.fetch()
    assert time.monotonic() - start < 4
    assert api.list_files() == []


def test_wait_beyond_limited_time_fails_at_once(api: ApiShop, service: CatalogService) -> None:
    api.declare("page", limits={"minutes": 0.05}, retries={"max_attempts": 3, "first_wait": 100})
    service.faults[1] = lambda handler: handler.send_json({}, status=500)
    start = time.monotonic()
    with pytest.raises(RecomartError, match="the fetch takes more than"):
        api.fetch()
    assert time.monotonic() - start < 2


def test_body_of_redirect_is_limited(api: ApiShop, service: CatalogService) -> None:
    api.declare("page", limits={"page_mb": 1})
    service.faults[1] = lambda handler: send_endless_body(handler, status=302)
    with pytest.raises(RecomartError, match="a page has more than 1 MB"):
        api.fetch()


@pytest.mark.parametrize(
    ("url", "auth", "host"),
    [
        ("http://shop.example/api", True, "shop.example"),
        ("http://10.1.2.3:8080", True, "10.1.2.3"),
        ("http://shop.example/api", False, None),
        ("https://shop.example/api", True, None),
        ("http://localhost:8010", True, None),
        ("http://127.0.0.2", True, None),
        ("http://[::1]:80", True, None),
        ("http://127.0.0.1.evil.example", True, "127.0.0.1.evil.example"),
    ],
)
def test_insecure_host_of_secret(url: str, auth: bool, host: str | None) -> None:
    settings = {"base_url": url, "paging": {"style": "none"}}
    secret = {"auth": {"type": "bearer", "token_env": "X"}} if auth else {}
    assert Api.model_validate({**settings, **secret}).insecure_host == host


def test_secret_over_plain_http_is_warned_of(
    api: ApiShop, service: CatalogService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The name leads to this machine, but is not known as a name of it."""
    monkeypatch.setenv("SHOP_SECRET", "token")
    port = service.server_address[1]
    api.declare("page", auth={"type": "bearer", "token_env": "SHOP_SECRET"}, base_url=f"http://0.0.0.0:{port}")
    warning = "the secret is sent to 0.0.0.0 over http, where others can read it. Use https in `base_url`"
    assert api.fetch().warnings == [warning]
    assert warning in caplog.text


def test_fetch_does_not_follow_links_out_of_landing(api: ApiShop, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    catalog = api.shop.landing / "catalog"
    catalog.symlink_to(victim)
    with pytest.raises(RecomartError, match="a symbolic link leads out of the landing folder"):
        api.fetch()
    assert [path.name for path in victim.iterdir()] == ["precious"]
    catalog.unlink()
    catalog.mkdir()
    (catalog / ".products.fetching").symlink_to(victim)
    (catalog / "2030-01-01T000000Z.jsonl").symlink_to(victim / "precious")
    api.fetch()
    assert (victim / "precious").read_text() == "precious"


@pytest.mark.parametrize("name", ["records.part", "state.part", ".state.part.unfinished", "complete.part"])
def test_fetch_does_not_write_through_links(api: ApiShop, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "precious"
    victim.write_text("precious")
    folder = api.shop.landing / "catalog" / ".products.fetching"
    folder.mkdir(parents=True)
    (folder / name).symlink_to(victim)
    api.fetch()
    assert len(api.read_fetched()) == 35
    assert victim.read_text() == "precious"
