"""Fixtures of the tests of the app's pages: a published shop whose rules a test may change."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.apps.conftest import OpenApp
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

OpenEditor = Callable[..., AppTest]


@pytest.fixture(scope="session")
def published_shop(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A published shop, which the tests copy."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("published_shop"))
    shutil.copy(demo_warehouse.database, settings.database)
    with ServingCopy(demo_warehouse) as copy:
        publish(settings, list(copy.published.rows))
    return settings


@pytest.fixture
def shop(published_shop: Settings, tmp_path: Path) -> Settings:
    """A published shop whose rules a test may change."""
    shutil.copytree(published_shop.warehouse, tmp_path, dirs_exist_ok=True)
    return Settings(warehouse=tmp_path)


@pytest.fixture
def store(shop: Settings) -> RuleStore:
    return RuleStore(shop)


@pytest.fixture
def open_editor(open_app: OpenApp, shop: Settings, monkeypatch: pytest.MonkeyPatch) -> OpenEditor:
    """Return a function that opens the page with editing allowed, for a person."""
    monkeypatch.setenv("RECOMART_APP_CAN_EDIT", "true")

    def open_with(user: str = "ann", **query_params: str) -> AppTest:
        app = open_app("rules", shop, **query_params)
        return app.text_input(key="user_name").set_value(user).run()

    return open_with
