"""Every page in a real browser: three widths, light and dark."""

import shutil
from collections.abc import Iterator, Mapping

import pytest

from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import BrowserPage, needs_browser, start_browser
from tests.apps.merchandiser.page_checks import find_cut_texts, find_pale_texts, prepare_checks, wait_until_drawn
from tests.apps.merchandiser.page_views import VIEWS, find_examples, open_view, publish_tables_of_views
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

pytestmark = [needs_browser, pytest.mark.slow]

NARROW_WIDTH = 390
WINDOWS = [(width, scheme) for scheme in ("light", "dark") for width in (1400, 1280, NARROW_WIDTH)]


@pytest.fixture(scope="module")
def shop(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the demo shop with two published versions, a measured effect, and two rules."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("shop"))
    ignored = shutil.ignore_patterns("target", "datasets")
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse, ignore=ignored, dirs_exist_ok=True)
    publish_tables_of_views(settings)
    boost = Rule(kind="boost", scope="category", value="groceries", factor=2, reason="Campaign of the spring")
    draft = Rule(kind="block", scope="product", value="p00002", is_draft=True)
    RuleStore(settings).add([boost, draft], "ann", "Campaign of the spring")
    return settings


@pytest.fixture(scope="module")
def examples(shop: Settings) -> dict[str, str]:
    """Ids for the addresses of the pages."""
    with ServingCopy(shop) as copy:
        return find_examples(copy)


@pytest.fixture(scope="module")
def app_url(shop: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app, with editing."""
    with run_app(shop, tmp_path_factory.mktemp("home"), RECOMART_APP_CAN_EDIT="true") as url:
        yield url


@pytest.fixture(scope="module")
def browser_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserPage]:
    """A headless Chromium that records what the pages draw."""
    with start_browser(tmp_path_factory.mktemp("browser")) as page:
        prepare_checks(page)
        yield page


@pytest.mark.parametrize("name", VIEWS)
def test_page_is_fit(browser_page: BrowserPage, app_url: str, examples: Mapping[str, str], name: str) -> None:
    """No error, nothing cut or covered, no sideways scrolling, and legible texts."""
    problems = []
    for width, scheme in WINDOWS:
        browser_page.resize(width)
        browser_page.prefer_scheme(scheme)
        open_view(browser_page, app_url, VIEWS[name], examples)
        wait_until_drawn(browser_page)
        problems += [
            (width, scheme, *found)
            for found in (
                # In a narrow window, tables scroll sideways.
                ("cut texts", set() if width == NARROW_WIDTH else find_cut_texts(browser_page)),
                ("pale texts", find_pale_texts(browser_page)),
                ("covered texts", browser_page.find_covered_texts()),
                ("wider than the window", browser_page.is_scrollable_sideways()),
            )
            if found[1]
        ]
        browser_page.assert_no_failure()
    assert not problems
