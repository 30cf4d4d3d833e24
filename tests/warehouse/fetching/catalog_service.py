"""A catalog service on localhost with every paging style, and with faults on request."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.three_feed_shop import EVENTS_JSONL, Shop
from warehouse.fetching.fetch_run import fetch_feeds
from warehouse.fetching.reports import FeedFetchReport, FetchProgress

Fault = Callable[["CatalogHandler"], None]
"""Handles a request in place of the normal response."""

RETRY_SETTINGS = {"max_attempts": 4, "first_wait": 0.001, "max_wait": 2}

PAGING_STYLES: dict[str, dict[str, Any]] = {
    "page": {"path": "numbered", "records": "data.items", "paging": {"style": "page", "size": 10}},
    "offset": {"path": "offset", "records": "data.items", "paging": {"style": "offset", "size": 10}},
    "cursor": {"path": "cursor", "records": "data.items", "paging": {"style": "cursor", "path": "meta.next"}},
    "next_link": {"path": "links", "records": "data.items", "paging": {"style": "next_link", "path": "meta.next"}},
    "link_header": {"path": "headers", "paging": {"style": "link_header"}},
    "none": {"path": "all", "paging": {"style": "none"}},
}
"""API settings for each paging style; all but the last two have the number of products in `meta.total`."""


def make_products(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Make products with ids in ascending order."""
    return [{"sku": f"P{n:04d}", "name": f"Thing {n} «ü»", "price": n + 0.5} for n in range(first, first + count)]


class CatalogService(ThreadingHTTPServer):
    """Returns `products`; `on_request` can change them, and `faults` replace responses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CatalogHandler)
        self.products = make_products(35)
        self.requested_paths: list[str] = []
        """Path and query of every request."""
        self.faults: dict[int, Fault] = {}
        """Faults by the number of the request, from 1."""
        self.on_request: Callable[[int], None] = lambda _: None
        """Called with the number of each request before the response."""
        self.is_authorized: Callable[[CatalogHandler], bool] = lambda _: True
        """Returns whether a request is authorized."""
        self.link_suffix = ""
        """End of the links to the next page."""
        self.released = threading.Event()
        """Set to end requests that hang."""

    @property
    def url(self) -> str:
        """URL of the service."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class CatalogHandler(BaseHTTPRequestHandler):
    """Handles one request."""

    server: CatalogService

    def do_GET(self) -> None:
        """Send the fault of this request, an error status or a page."""
        service = self.server
        service.requested_paths.append(self.path)
        number = len(service.requested_paths)
        service.on_request(number)
        if fault := service.faults.get(number):
            fault(self)
        elif not service.is_authorized(self):
            self.send_json({"error": f"{self.path} with {dict(self.headers)} is not welcome"}, status=401)
        else:
            url = urlsplit(self.path)
            self.send_page(url.path, {name: values[0] for name, values in parse_qs(url.query).items()})

    def send_page(self, path: str, query: dict[str, str]) -> None:
        """Send a page."""
        products, size = self.server.products, 10
        if path == "/all":
            self.send_json(products)
        elif path == "/cursor":
            rest = [product for product in products if product["sku"] > query.get("cursor", "")]
            page = rest[:size]
            self.send_json(self.wrap_page(page, page[-1]["sku"] if len(rest) > size else None))
        elif path == "/offset":
            start = int(query["offset"])
            self.send_json(self.wrap_page(products[start : start + int(query["limit"])]))
        else:
            number = int(query.get("page", 1))
            page = products[(number - 1) * size : number * size]
            next_link = f"{path}?page={number + 1}{self.server.link_suffix}" if number * size < len(products) else None
            if path == "/headers":
                headers = {"Link": f'<{next_link}>; rel="next", </headers>; rel="first"'} if next_link else {}
                self.send_json(page, headers=headers)
            else:
                self.send_json(self.wrap_page(page, next_link))

    def wrap_page(self, items: list[dict[str, Any]], next_location: str | None = None) -> dict[str, Any]:
        """Wrap products in the page format of most styles."""
        return {"data": {"items": items}, "meta": {"total": len(self.server.products), "next": next_location}}

    def send_json(self, body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send JSON."""
        self.send(json.dumps(body).encode(), status=status, headers=headers)

    def send(
        self, data: bytes, *, status: int = 200, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        """Send bytes; `length` can declare more than are sent."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(length or len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


def make_status_fault(code: int, **headers: str) -> Fault:
    """Make a fault that sends a status and headers."""
    http_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send_json({"error": handler.path}, status=code, headers=http_headers)


def send_garbage(handler: CatalogHandler) -> None:
    """Send a body that is not JSON."""
    handler.send(f"<html>{handler.path} is being repaired</html>".encode())


def send_partial_body(handler: CatalogHandler) -> None:
    """Send half of a body and close the connection."""
    handler.send(b'{"data": {"items": [', length=1000)
    handler.close_connection = True


def drop_connection(handler: CatalogHandler) -> None:
    """Close the connection without a response."""
    handler.close_connection = True


def hang(handler: CatalogHandler) -> None:
    """Send no response until the test ends."""
    handler.server.released.wait(30)
    handler.close_connection = True


@contextmanager
def run_service() -> Iterator[CatalogService]:
    """Run a catalog service with 35 products."""
    with CatalogService() as service:
        threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield service
        service.released.set()
        service.shutdown()


class ApiShop:
    """A shop whose catalog is fetched from a service."""

    def __init__(self, shop: Shop, service: CatalogService) -> None:
        self.shop = shop
        self.service = service
        self.progress: list[FetchProgress] = []
        self.declare("page")

    def declare(self, style: str, **more: Any) -> None:
        """Write a sources file whose products come from the service with a paging style."""
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
        """List the visible files in the landing folder."""
        paths = (path.relative_to(self.shop.landing) for path in self.shop.landing.rglob("*") if path.is_file())
        return sorted(str(path) for path in paths if not any(part.startswith(".") for part in path.parts))

    def read_fetched(self) -> list[dict[str, Any]]:
        """Read the records of the only visible file."""
        (file,) = self.list_files()
        return [json.loads(line) for line in (self.shop.landing / file).read_text(encoding="utf-8").split("\n") if line]
