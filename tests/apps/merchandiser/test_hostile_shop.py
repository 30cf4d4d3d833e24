"""Every page over a shop whose names and ids are hostile texts: shown as text, and exported safely."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from apps.merchandiser.products.exposure_view import FACETS, KINDS
from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.app_contents import capture_exports, list_checkbox_columns
from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import needs_browser, start_browser
from tests.apps.merchandiser.hostile_shop import HOSTILE_PREFIXES, generate_hostile_shop
from tests.apps.merchandiser.page_checks import wait_until_drawn
from tests.apps.merchandiser.page_views import (
    VIEWS,
    View,
    find_examples,
    make_address,
    open_view,
    publish_tables_of_views,
)
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

pytestmark = pytest.mark.slow

MARKUP_PATTERN = re.compile(r"(?<!\\)(<img|<script|\*\*x\*\*|\[a\]|\(javascript|\$x|:red\[x|:smile:|`c`)")
"""Beginnings of the hostile texts that Markdown would not show as text."""

FIND_FOREIGN_ELEMENTS = """
    const elements = [
        ...document.querySelectorAll("img[src=x], a[href^=javascript], a[href*=evil], .katex"),
        ...[...document.querySelectorAll("strong, code, span")].filter(
            element => ["x", "c", "😄"].includes(element.textContent)
        ),
    ].map(element => element.outerHTML);
    return window.hostile === undefined ? elements : ["a script ran", ...elements];
"""
"""Script that returns the elements that the hostile texts made."""


@pytest.fixture(scope="module")
def hostile_shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop with hostile names and ids after a complete run, with a rule."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("hostile_shop"))
    generate_hostile_shop(settings)
    run_pipeline(settings, TrainConfig(), PipelineListener())
    publish_tables_of_views(settings)
    with ServingCopy(settings) as copy:
        brand = str(copy.query_frame("select min(brand) as brand from dim_products")["brand"].iloc[0])
    RuleStore(settings).add([Rule(kind="boost", scope="brand", value=brand, factor=2)], "=ann", HOSTILE_PREFIXES[0])
    return settings


@pytest.fixture(scope="module")
def examples(hostile_shop: Settings) -> dict[str, str]:
    """Ids for the addresses of the pages."""
    with ServingCopy(hostile_shop) as copy:
        return find_examples(copy)


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Contents of the exported files of the pages that are opened later, by file name."""
    return capture_exports(monkeypatch)


def open_page(open_app: OpenApp, settings: Settings, view: View, examples: dict[str, str]) -> AppTest:
    """Open a page without a browser; its clicks and inputs are left out."""
    address = urlsplit(make_address(view, examples))
    params: dict[str, Any] = {}
    for name, value in parse_qsl(address.query):
        params[name] = [*params[name], value] if name in params else [value]
    return open_app(address.path.strip("/") or "today", settings, **params)


def list_markdown_texts(app: AppTest) -> Iterator[str]:
    """Yield the texts of the page that Streamlit reads as Markdown."""
    for element in chain(app.markdown, app.caption, app.subheader, app.info, app.warning, app.error, app.success):
        yield element.value
    for widget in chain(app.button, app.metric, app.tabs, app.expander, app.selectbox, app.text_input):
        yield widget.label
    for metric in app.metric:
        yield metric.value
    for control in app.segmented_control:
        yield from control.options


def assert_safe(contents: dict[str, bytes]) -> None:
    """Assert that no cell of the exported files is a formula."""
    for name, content in contents.items():
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        assert len(rows) > 1, name
        for text in chain.from_iterable(rows):
            is_number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text)
            assert is_number or not text.startswith(("=", "+", "-", "@", "\t", "\r")), (name, text)


@pytest.mark.parametrize("name", [name for name, view in VIEWS.items() if "no-such-page" not in view.path])
def test_hostile_texts_on_page(
    open_app: OpenApp, hostile_shop: Settings, examples: dict[str, str], exports: dict[str, bytes], name: str
) -> None:
    """No exception, no Markdown of the texts, no formula in an export, and no table with checkboxes."""
    app = open_page(open_app, hostile_shop, VIEWS[name], examples)
    assert not app.exception
    assert not [text for text in list_markdown_texts(app) if MARKUP_PATTERN.search(text)]
    assert_safe(exports)
    assert not list_checkbox_columns(app)


@pytest.mark.parametrize("choice", [*KINDS, *FACETS])
def test_hostile_names_in_shares(
    open_app: OpenApp, hostile_shop: Settings, exports: dict[str, bytes], choice: str
) -> None:
    app = open_app("products", hostile_shop, products_section="Shown most and never")
    app.segmented_control(key="exposure").set_value(choice).run()
    assert not app.exception
    assert_safe(exports)


@needs_browser
def test_hostile_texts_in_browser(hostile_shop: Settings, examples: dict[str, str], tmp_path: Path) -> None:
    """No page runs a script of a text, or has an element of it."""
    with (
        run_app(hostile_shop, tmp_path, RECOMART_APP_CAN_EDIT="true") as url,
        start_browser(tmp_path) as page,
    ):
        for name, view in VIEWS.items():
            open_view(page, url, view, examples)
            wait_until_drawn(page)
            # An open dialog of a script would stop the driver here.
            assert not page.driver.execute_script(FIND_FOREIGN_ELEMENTS), name
            page.assert_no_failure()
            if name == "customer":
                page.find_elements(".st-key-customer_export button")[0].click()
                page.wait_for(lambda: list(page.downloads.glob("recomart-recommendations-*.csv")))
        page.driver.get("about:blank")
