"""Fixtures that run the service as a server on a free local port."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from apps.recommendations.recommendation_queries import RecommendationQueries
from apps.service.http_server import create_server
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

TIMEOUT_SECONDS = 30.0


class ServiceClient:
    """An HTTP client of a running service."""

    def __init__(self, base: str, server: uvicorn.Server) -> None:
        self.server = server
        self._base = base
        self._session = requests.Session()
        self.address = ("127.0.0.1", int(base.rpartition(":")[2]))

    def get(self, path: str, **query: Any) -> requests.Response:
        """Send GET to a quoted path."""
        return self._session.get(self._base + path, params=query, timeout=TIMEOUT_SECONDS)

    def head(self, path: str) -> requests.Response:
        """Send HEAD to a path."""
        return self._session.head(self._base + path, timeout=TIMEOUT_SECONDS)

    def post(self, path: str, body: Any) -> requests.Response:
        """Send POST with a JSON body."""
        return self._session.post(self._base + path, json=body, timeout=TIMEOUT_SECONDS)

    def post_bytes(self, path: str, text: bytes, content_type: str | None = "application/json") -> requests.Response:
        """Send POST with raw bytes as the body."""
        headers = {"content-type": content_type} if content_type else {}
        return self._session.post(self._base + path, data=text, headers=headers, timeout=TIMEOUT_SECONDS)

    def delete(self, path: str) -> requests.Response:
        """Send DELETE to a path."""
        return self._session.delete(self._base + path, timeout=TIMEOUT_SECONDS)

    def create_client(self) -> "ServiceClient":
        """Return another client of the same service."""
        return ServiceClient(self._base, self.server)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true; fail after a generous timeout."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


@contextmanager
def run_service(settings: Settings, *, has_log: bool = False) -> Iterator[ServiceClient]:
    """Run the service for a warehouse, without the log of its answers: a test must not write into the demo shop."""
    server = create_server(settings.model_copy(update={"service_log_lists": has_log}))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield ServiceClient(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", server)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def service(demo_warehouse: Settings) -> Iterator[ServiceClient]:
    """The service for the demo shop."""
    with run_service(demo_warehouse) as running:
        yield running


@pytest.fixture(scope="module")
def demo_queries(demo_warehouse: Settings) -> Iterator[RecommendationQueries]:
    """The queries that the service should answer with."""
    with RecommendationQueries(demo_warehouse) as queries:
        yield queries


@pytest.fixture
def writable_shop(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """A copy of the demo shop with its model, which a test may change and publish; nothing is published yet."""
    shutil.copy(demo_warehouse.database, tmp_path)
    shutil.copytree(demo_warehouse.models_dir, tmp_path / "models")
    return Settings(warehouse=tmp_path)


@pytest.fixture
def publish_again(demo_warehouse: Settings, writable_shop: Settings) -> Callable[[], PublishedCopy]:
    """Return a function that publishes the changed copy of the shop."""
    with ServingCopy(demo_warehouse) as copy:
        tables = list(copy.published.rows)
    return lambda: publish(writable_shop, tables)
