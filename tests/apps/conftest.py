"""The merchandisers' app over a published copy of the demo shop."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import PROJECT_ROOT, Settings

APP_FILE = PROJECT_ROOT / "apps" / "merchandiser" / "app.py"

OpenApp = Callable[..., AppTest]


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch, demo_warehouse: Settings) -> Iterator[OpenApp]:
    """Opens the app, over the demo shop unless told otherwise, with the given query parameters."""

    def open_over(settings: Settings = demo_warehouse, **query_params: str) -> AppTest:
        monkeypatch.setenv("RECOMART_WAREHOUSE", str(settings.warehouse))
        app = AppTest.from_file(APP_FILE, default_timeout=30)
        app.query_params.update(query_params)
        return app.run()

    yield open_over
    st.cache_resource.clear()


@pytest.fixture
def demo_copy(demo_warehouse: Settings) -> Iterator[ServingCopy]:
    """What is published of the demo shop."""
    with ServingCopy(demo_warehouse) as opened:
        yield opened


@pytest.fixture
def published_tables(demo_copy: ServingCopy) -> list[str]:
    """Names of the published tables."""
    return list(demo_copy.published.rows)


@pytest.fixture
def writable_warehouse(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """A copy of the demo shop's warehouse that a test may write to and publish from; nothing is published yet."""
    shutil.copy(demo_warehouse.database, tmp_path)
    return Settings(warehouse=tmp_path)
