"""A real catalog service on localhost that pages in every style, and that can be told to misbehave."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.warehouse.conftest import EVENTS_JSONL, Shop
from warehouse.fetching.fetch_run import fetch_feeds
from warehouse.fetching.reports import FeedFetchReport, FetchProgress

Fault = Callable[["CatalogHandler"], None]
"""What happens to a request in place of a good answer."""

RETRY_SETTINGS = {"max_attempts": 4, "first_wait": 0.001, "max_wait": 2}

PAGING_STYLES: dict[str, dict[str, Any]] = {
    "page": {"path": "numbered", "records": "data.items", "paging": {"style": "page", "size": 10}},
    "offset": {"path": "offset", "records": "data.items", "paging": {"style": "offset", "size": 10}},
    "cursor": {"path": "cursor", "records": "data.items", "paging": {"style": "cursor", "path": "meta.next"}},
    "next_link": {"path": "links", "records": "data.items", "paging": {"style": "next_link", "path": "meta.next"}},
    "link_header": {"path": "headers", "paging": {"style": "link_header"}},
    "none": {"path": "all", "paging": {"style": "none"}},
}
"""How to read the service in each style; `meta.total` tells how many products there are, but for the last two."""


def make_products(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Products with ids in ascending order."""
    return [{"sku": f"P{n:04d}", "name": f"Thing {n} «ü»", "price": n + 0.5} for n in range(first, first + count)]


class CatalogService(ThreadingHTTPServer):
    """Hands out `products`; `on_request` may change them, and `faults` take the place of answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CatalogHandler)
        self.products = make_products(35)
        self.requested_paths: list[str] = []
        """Path and query of every request."""
        self.faults: dict[int, Fault] = {}
        """By the number of the request, from 1."""
        self.on_request: Callable[[int], None] = lambda _: None
        """Called with the number of each request before it is answered."""
        self.is_authorized: Callable[[CatalogHandler], bool] = lambda _: True
        """Whether a request is signed in."""
        self.link_suffix = ""
        """What the links to the next page end in."""
        self.released = threading.Event()
        """Set when requests that hang are to end."""

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class CatalogHandler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: CatalogService

    def do_GET(self) -> None:
        """Misbehave, refuse or answer."""
        service = self.server
        service.requested_paths.append(self.path)
        number = len(service.requested_paths)
        service.on_request(number)
        if fault := service.faults.get(number):
            fault(self)
        elif not service.is_authorized(self):
            self.send_json({"error": f"{self.path} with {dict(self.headers)} is not welcome"}, status=401)
        else:
            address = urlsplit(self.path)
            self.send_page(address.path, {name: values[0] for name, values in parse_qs(address.query).items()})

    def send_page(self, path: str, query: dict[str, str]) -> None:
        """Answer with a page."""
        everything, size = self.server.products, 10
        if path == "/all":
            self.send_json(everything)
        elif path == "/cursor":
            later = [product for product in everything if product["sku"] > query.get("cursor", "")]
            page = later[:size]
            self.send_json(self.wrap_page(page, page[-1]["sku"] if len(later) > size else None))
        elif path == "/offset":
            start = int(query["offset"])
            self.send_json(self.wrap_page(everything[start : start + int(query["limit"])]))
        else:
            number = int(query.get("page", 1))
            page = everything[(number - 1) * size : number * size]
            following = (
                f"{path}?page={number + 1}{self.server.link_suffix}" if number * size < len(everything) else None
            )
            if path == "/headers":
                link = {"Link": f'<{following}>; rel="next", </headers>; rel="first"'} if following else {}
                self.send_json(page, headers=link)
            else:
                self.send_json(self.wrap_page(page, following))

    def wrap_page(self, items: list[dict[str, Any]], next_location: str | None = None) -> dict[str, Any]:
        """A page as most styles wrap it."""
        return {"data": {"items": items}, "meta": {"total": len(self.server.products), "next": next_location}}

    def send_json(self, body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send JSON."""
        self.send(json.dumps(body).encode(), status=status, headers=headers)

    def send(
        self, data: bytes, *, status: int = 200, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        """Send bytes, which may be fewer than are announced."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(length or len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


def make_status_fault(code: int, **headers: str) -> Fault:
    """An answer with a status and headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send_json({"error": handler.path}, status=code, headers=named)


def send_garbage(handler: CatalogHandler) -> None:
    """An answer that is no JSON."""
    handler.send(f"<html>{handler.path} is being repaired</html>".encode())


def send_partial_body(handler: CatalogHandler) -> None:
    """Half of a body, and a connection that closes."""
    handler.send(b'{"data": {"items": [', length=1000)
    handler.close_connection = True


def drop_connection(handler: CatalogHandler) -> None:
    """A connection that closes without a word."""
    handler.close_connection = True


def hang(handler: CatalogHandler) -> None:
    """No answer until the test is over."""
    handler.server.released.wait(30)
    handler.close_connection = True


@contextmanager
def run_service() -> Iterator[CatalogService]:
    """A catalog service with 35 products."""
    with CatalogService() as service:
        threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield service
        service.released.set()
        service.shutdown()


class ApiShop:
    """A shop whose catalog is fetched."""

    def __init__(self, shop: Shop, service: CatalogService) -> None:
        self.shop = shop
        self.service = service
        self.progress: list[FetchProgress] = []
        self.declare("page")

    def declare(self, style: str, **more: Any) -> None:
        """Write a sources file whose products come from the service in a style of paging."""
        api = {
            **PAGING_STYLES[style],
            "base_url": self.service.url,
            "requests_per_second": 10_000,
            "timeout": 5,
            "retries": RETRY_SETTINGS,
            **more,
        }
        feed = {
            "files": "catalog/*.jsonl",
            "format": "jsonl",
            "columns": {"product_id": "sku", "product_name": "name", "price": "price"},
            "api": api,
        }
        self.shop.declare(events=EVENTS_JSONL, products=feed)

    def fetch(self) -> FeedFetchReport:
        """Fetch the catalog."""
        return fetch_feeds(self.shop.settings, self.progress.append).feeds["products"]

    def list_files(self) -> list[str]:
        """Every visible file in landing."""
        found = (path.relative_to(self.shop.landing) for path in self.shop.landing.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if not any(part.startswith(".") for part in path.parts))

    def read_fetched(self) -> list[dict[str, Any]]:
        """What the one visible file holds."""
        (file,) = self.list_files()
        return [json.loads(line) for line in (self.shop.landing / file).read_text(encoding="utf-8").split("\n") if line]
