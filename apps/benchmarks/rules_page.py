"""The page Rules in a browser, used as a person uses it."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from apps.benchmarks.app_browser import POLL_SECONDS, TIMEOUT_SECONDS, wait_until_drawn
from apps.merchandiser.rules.rule_labels import FIELD_LABELS, KIND_LABELS, SELECTION_LABELS
from warehouse.errors import RecomartError
from warehouse.rules.rule import ProductSelection

FACTOR = "2"
FORM_ADDRESS = "rules?rules_section=Add+a+rule"


class RulesPage:
    """Fills in the form of a rule, presses its buttons, and waits for what they show."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser = browser
        self._url = url

    def open_form(self) -> None:
        """Open the form of a new rule, and wait until it is drawn."""
        start = time.perf_counter()
        self._browser.get(f"{self._url}/{FORM_ADDRESS}")
        wait_until_drawn(self._browser, start, FIELD_LABELS["reason"])

    def preview_boost(self, brand: str, user: str, reason: str) -> tuple[float, float]:
        """Open the form, fill in a boost and preview it.

        Returns:
            The seconds until the form is filled in, and those from the button to the drawn preview.
        """
        start = time.perf_counter()
        self.open_form()
        self._choose("kind", KIND_LABELS["boost"])
        self._choose("scope", SELECTION_LABELS[ProductSelection("brand")])
        self._choose("brand", brand)
        self._type(FIELD_LABELS["factor"], FACTOR)
        self._type_names(user, reason)
        form_seconds = time.perf_counter() - start
        start = time.perf_counter()
        self._press("rule_preview")
        return form_seconds, wait_until_drawn(self._browser, start, "Lists that change")

    def fill_block(self, product_id: str, user: str, reason: str) -> None:
        """Open the form and fill in a block of a product."""
        self.open_form()
        self._choose("kind", KIND_LABELS["block"])
        self._type(FIELD_LABELS["product"], product_id)
        # The search selects the product with this id.
        self._wait_for(lambda: f"({product_id})" in self._read_field(f"[class*=product_of_{product_id}] input"))
        self._type_names(user, reason)

    def submit(self) -> None:
        """Submit the rule of the form, and wait for the page's message about it."""
        self._press("rule_submit")
        self._wait_for(lambda: "is submitted" in self._read_text())

    def build_lists(self) -> None:
        """Press the button that builds the lists."""
        self._press("build_lists")

    def wait_for_build(self) -> None:
        """Wait until the page offers another build."""
        self._wait_for(lambda: self._find(".st-key-build_lists button:not([disabled])"))

    def raise_on_error(self) -> None:
        """Check the page.

        Raises:
            RecomartError: The page shows that the lists were not built.
        """
        text = self._read_text()
        if "The lists were not built" in text:
            raise RecomartError(f"benchmark failed: rules: {text[text.index('The lists were not built') :]}")

    def _type_names(self, user: str, reason: str) -> None:
        self._type("Your name", user)
        self._type(FIELD_LABELS["reason"], reason)

    def _choose(self, name: str, option: str) -> None:
        """Type an option into a field with options, and choose it."""
        from selenium.webdriver.common.keys import Keys

        selector = f"input[role=combobox][aria-label*='{FIELD_LABELS[name]}']"
        self._wait_for(lambda: self._find(selector))[0].send_keys(option, Keys.ENTER)
        self._wait_for(lambda: option in self._read_field(selector))
        self._wait_until_idle()

    def _type(self, label: str, text: str) -> None:
        from selenium.webdriver.common.keys import Keys

        field = self._wait_for(lambda: self._find(f"input[aria-label='{label}']"))[0]
        field.send_keys(text, Keys.TAB)
        self._wait_until_idle()

    def _press(self, key: str) -> None:
        self._wait_for(lambda: self._find(f".st-key-{key} button:not([disabled])"))[0].click()

    def _wait_until_idle(self) -> None:
        wait_until_drawn(self._browser, time.perf_counter())

    def _find(self, selector: str) -> list[Any]:
        elements = self._browser.find_elements("css selector", selector)
        return [element for element in elements if element.is_displayed()]

    def _read_field(self, selector: str) -> str:
        return str(self._find(selector)[0].get_attribute("value"))

    def _read_text(self) -> str:
        return str(self._browser.execute_script("return document.querySelector('[data-testid=stMain]').innerText"))

    def _wait_for(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition returns a true value and return that value."""
        deadline = time.perf_counter() + TIMEOUT_SECONDS
        while time.perf_counter() < deadline:
            # A page that is being replaced has no elements.
            with suppress(Exception):
                value = condition()
                if value:
                    return value
            time.sleep(POLL_SECONDS)
        raise RecomartError(f"the app did not show the next step of {self._browser.current_url} in {TIMEOUT_SECONDS} s")
