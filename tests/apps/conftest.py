"""Fixtures for the merchandiser app and copies of the demo shop."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from apps.merchandiser.page_list import PAGES
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import PROJECT_ROOT, Settings

APP_FILE = PROJECT_ROOT / "apps" / "merchandiser" / "script" / "navigation.py"

OpenApp = Callable[..., AppTest]


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch, demo_warehouse: Settings) -> Iterator[OpenApp]:
    """Return a function that opens a page of the app with query parameters, by default for the demo shop."""

    def open_with(page: str, settings: Settings = demo_warehouse, **query_params: str) -> AppTest:
        monkeypatch.setenv("RECOMART_WAREHOUSE", str(settings.warehouse))
        app = AppTest.from_file(APP_FILE, default_timeout=30)
        if page != PAGES[0].name:
            app.switch_page(f"../pages/{page}.py")
        app.query_params.update(query_params)
        return app.run()

    yield open_with
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def demo_copy(demo_warehouse: Settings) -> Iterator[ServingCopy]:
    """The published copy of the demo shop."""
    with ServingCopy(demo_warehouse) as copy:
        yield copy


@pytest.fixture
def published_tables(demo_copy: ServingCopy) -> list[str]:
    """Names of the published tables."""
    return list(demo_copy.published.rows)


@pytest.fixture
def writable_warehouse(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """A copy of the demo shop's database that a test may change and publish; nothing is published yet."""
    shutil.copy(demo_warehouse.database, tmp_path)
    return Settings(warehouse=tmp_path)


@pytest.fixture
def own_shop(demo_warehouse: Settings, dbt_folder: Path) -> Settings:
    """A writable copy of the demo shop after a complete run."""
    settings = Settings(warehouse=dbt_folder / "warehouse")
    ignored = shutil.ignore_patterns("partial_parse.msgpack")
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse, ignore=ignored, dirs_exist_ok=True)
    return settings
