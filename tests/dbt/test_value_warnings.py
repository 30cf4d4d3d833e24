"""Warnings and gates about values that are read but look wrong, on a shop whose files have them all."""

from pathlib import Path

import pytest

from orchestration.dbt_runner import run_dbt
from tests.three_feed_shop import Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.settings import Settings

TILL = {
    "kind": "purchases",
    "files": "till/*",
    "format": "csv",
    "carries": ["products"],
    "columns": {
        "transaction_id": "t",
        "user_id": "u",
        "product_id": "i",
        "quantity": "q",
        "price": "p",
        "purchased_at": "at",
    },
}


@pytest.fixture(scope="module")
def built_settings(module_dbt_folder: Path) -> Settings:
    """A shop with a third of the lines by one user, totals of lines as prices, and two currencies."""
    shop = Shop(module_dbt_folder)
    shop.declare(till=TILL)
    lines = ["t,u,i,q,p,at"]
    for number in range(1200):
        quantity, product = (1, 2, 3, 5)[number % 4], number % 7
        user = "visitor" if number % 3 == 0 else number % 301
        currency = "EUR" if number % 2 else "USD"
        lines.append(
            f"{number},{user},{product},{quantity},{currency} {quantity * (product + 1)},2026-01-{1 + number % 28:02d}"
        )
    shop.put("till/a.csv", "\n".join(lines) + "\n")
    load(shop.settings)
    run_dbt(shop.settings, "build", "--select", "+audit_files", "+fct_transactions", "--exclude", "resource_type:test")
    return shop.settings


@pytest.mark.parametrize(
    ("test", "start"),
    [
        ("warn_single_share_above_limit", "implausible share: till: user 'visitor' has 33.3 % of the clean rows. "),
        ("warn_price_grows_with_quantity", "price looks like the total of a line: till: "),
    ],
)
def test_warning_names_feed_and_remedy(built_settings: Settings, test: str, start: str) -> None:
    (warning,) = run_dbt(built_settings, "test", "--select", test).warnings

    assert warning.startswith(start)
    assert warning.endswith("in the sources file")


def test_several_currencies_stop_run(built_settings: Settings) -> None:
    message = "prices have several currencies: EUR in 600 rows, USD in 600 rows. Declare the currency of the shop"

    with pytest.raises(RecomartError, match=message):
        run_dbt(built_settings, "test", "--select", "assert_one_currency")
