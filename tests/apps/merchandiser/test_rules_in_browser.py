"""The page of the rules in a real browser: from the form to the live lists, and the stop of the rule."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import BrowserPage, needs_browser, start_browser
from warehouse.publishing.published_rules import read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

pytestmark = [needs_browser, pytest.mark.slow]


def type_text(page: BrowserPage, label: str, text: str) -> None:
    """Replace the text of a field and leave the field."""
    selector = f"input[aria-label='{label}']"
    (field,) = page.wait_for(lambda: [field for field in page.find_elements(selector) if field.is_displayed()])
    # A call of its own: the control key stays down until the end of the call.
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text, Keys.TAB)


def click(page: BrowserPage, key: str) -> None:
    """Press a button when it is enabled."""
    selector = f".st-key-{key} button:not([disabled])"
    # In a narrow window, a button with a help text has a hidden twin.
    (button,) = page.wait_for(lambda: [button for button in page.find_elements(selector) if button.is_displayed()])
    button.click()


def open_tab(page: BrowserPage, label: str) -> None:
    page.wait_for(lambda: [tab for tab in page.find_elements("[role=tab]") if tab.text == label])[0].click()


def wait_for_message(page: BrowserPage, text: str) -> WebElement:
    """Wait until the page shows a message with a text."""
    return page.wait_for(lambda: [box for box in page.find_elements("[data-testid=stAlert]") if text in box.text])[0]


def assert_page_is_fit(page: BrowserPage) -> None:
    assert not page.find_covered_texts()
    assert not page.is_scrollable_sideways()
    page.assert_no_failure()


@pytest.mark.parametrize("width", [1280, 390])
def test_rule_from_form_to_live_lists(own_shop: Settings, tmp_path: Path, width: int) -> None:
    """The page shows the preview, the progress and the result of the build, the states, and the stop."""
    with ServingCopy(own_shop) as copy:
        product = copy.get_popular_products(1).iloc[0]
    with run_app(own_shop, tmp_path, RECOMART_APP_CAN_EDIT="true") as url, start_browser(tmp_path) as page:
        page.resize(width)
        page.open(f"{url}/rules?rules_section=Add+a+rule")
        type_text(page, "Your name", "ann")
        type_text(page, "Product", str(product["product_id"]))
        type_text(page, "Reason", "recalled")
        page.wait_for(
            lambda: [box for box in page.find_elements("input[role=combobox]") if product["product_id"] in read(box)]
        )
        click(page, "rule_preview")
        page.wait_for(lambda: page.read_rows("Example list before and after"))
        assert product["product_name"] in [row[0] for row in page.read_rows("Products that go out")]
        assert_page_is_fit(page)

        click(page, "rule_submit")
        wait_for_message(page, "It takes effect at once in the HTTP service and the app")
        page.wait_for(lambda: read(page.find_elements("input[aria-label='Reason']")[0]) == "")
        click(page, "build_lists")
        page.wait_for(lambda: page.find_elements("[data-testid=stProgress]"))
        wait_for_message(page, "The lists by the rules are live, after")
        open_tab(page, "All rules")
        page.wait_for(lambda: [row[:2] for row in page.read_rows("Merchandising rules")] == [["r1", "Live"]])
        with ServingCopy(own_shop) as copy:
            assert read_applied_changes(copy) == {"r1": 1}
            assert product["product_id"] not in set(copy.query_frame("from rec_top_n")["product_id"])

        page.open(f"{url}/rules?rule=r1")
        page.wait_for(lambda: page.read_rows("History of rule r1"))
        assert_page_is_fit(page)
        type_text(page, "Your name", "bob")
        type_text(page, "Reason for the change", "the recall is over")
        click(page, "rule_stop_r1")
        wait_for_message(page, "The published lists still follow it; the next lists are without it")
        page.assert_no_failure()
        stored = RuleStore(own_shop).read_rules()["r1"]
        assert (stored.rule.is_stopped, stored.change.user, stored.change.why) == (True, "bob", "the recall is over")
        # A page that is still open would log that its app has ended.
        page.driver.get("about:blank")


def read(field: WebElement) -> str:
    """Return the text of a field."""
    return field.get_attribute("value") or ""
