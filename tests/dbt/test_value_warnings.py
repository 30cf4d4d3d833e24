"""Warnings and gates about values that are read but look wrong, on a shop whose files have them all."""

import json
from pathlib import Path

import pytest

from orchestration.dbt_runner import describe_remedy, run_dbt
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

MARTS = ("+audit_files", "+audit_feeds", "+audit_feed_day_reasons", "+audit_unread_values", "+fct_transactions")

API = {
    "kind": "purchases",
    "files": "api/*",
    "format": "jsonl",
    "carries": ["products"],
    "unnest": "lines",
    "key": "id",
    "columns": {"user_id": "u", "product_id": "$.lines.i", "category": "$.lines.tags", "purchased_at": "at"},
}


OPEN = {
    "kind": "purchases",
    "files": "open/*",
    "format": "csv",
    "columns": {"product_id": "i", "purchased_at": "at"},
    "where": {"state": "complete"},
}

OLD = {
    "kind": "events",
    "files": "old/*",
    "format": "csv",
    "columns": {"user_id": "u", "product_id": "i", "event_type": "what", "event_at": "at"},
    "event_types": {"ignored": ["scroll"]},
    "keep_days": 30,
}

EMPTY = {"kind": "purchases", "files": "empty/*", "format": "csv", "columns": {"product_id": "i", "purchased_at": "at"}}


@pytest.fixture(scope="module")
def built_settings(module_dbt_folder: Path) -> Settings:
    """A shop with a third of the lines by one user, totals of lines as prices, two currencies, lists of categories.

    Other feeds have no clean row: one has other states than the declaration, one has no readable times, one is empty.
    """
    shop = Shop(module_dbt_folder)
    shop.declare(till=TILL, api=API, open=OPEN, old=OLD, empty=EMPTY)
    shop.put("open/a", "i,at,state\na,2026-01-05,Completed\n")
    shop.put("old/a", "u,i,what,at\nu1,relic,view,soon\nu2,,view,later\nu2,,scroll,later\n")
    shop.put("empty/a", "i,at\n")
    lines_of_order = [{"i": "a", "tags": ["toys", "new"]}, {"i": "b", "tags": "toys"}]
    shop.put("api/a", json.dumps({"id": 1, "u": "u1", "at": "2026-01-05", "lines": lines_of_order}))
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
    run_dbt(shop.settings, "build", "--exclude-resource-types", "unit_test", "test", "--select", *MARTS)
    return shop.settings


@pytest.fixture(scope="module")
def warnings_by_test(built_settings: Settings) -> dict[str, list[str]]:
    """The warnings of three tests, by the name of the test."""
    tests = ("warn_single_share_above_limit", "warn_price_grows_with_quantity", "warn_unread_values")
    warnings = run_dbt(built_settings, "test", "--select", *tests).warnings
    return {test: [warning for warning in warnings if warning.startswith(f"{test}: ")] for test in tests}


@pytest.mark.parametrize(
    ("test", "start"),
    [
        (
            "warn_single_share_above_limit",
            "implausible share: till: one user (select mode(user_id) from ",
        ),
        ("warn_price_grows_with_quantity", "price looks like the total of a line: till: "),
        (
            "warn_unread_values",
            'values not understood: api: category has no known value in 1 rows, such as ["toys","new"]. '
            "Map a value inside it with a path such as $.category.0, or",
        ),
    ],
)
def test_warning_names_feed_and_remedy(warnings_by_test: dict[str, list[str]], test: str, start: str) -> None:
    (warning,) = warnings_by_test[test]

    assert warning.startswith(f"{test}: {start}")
    assert test == "warn_unread_values" or warning.endswith("in the sources file")


@pytest.mark.slow
def test_lines_of_record_share_its_key(built_settings: Settings) -> None:
    """A key of rows of several products is suspicious, except where the rows are the items of a record."""
    assert run_dbt(built_settings, "test", "--select", "warn_key_of_several_products").warnings == []


@pytest.mark.slow
def test_several_currencies_stop_run(built_settings: Settings) -> None:
    message = "prices have several currencies: EUR in 600 rows, USD in 600 rows. Declare the currency of the shop"

    with pytest.raises(RecomartError, match=message):
        run_dbt(built_settings, "test", "--select", "assert_one_currency")


def test_feeds_without_clean_rows_stop_run(built_settings: Settings) -> None:
    """Only causes that are possible are named; unknown products are none beside a reason that all rows have."""
    test = "assert_feeds_have_clean_rows"
    with pytest.raises(RecomartError) as raised:
        run_dbt(built_settings, "test", "--select", test)
    conditions = "Compare the values in the files with where, leave_out and ignored in the sources file. "
    assert str(raised.value).startswith(
        f"dbt test failed: {test}: feed old: none of 3 rows is clean: 1 excluded, 2 quarantined for bad_timestamp (2), "
        "missing_product (1). Correct the feed's formats, time zone, event types or columns in the sources file. "
        f"{conditions}If keep_days (30) erased clean rows, raise it or deliver newer files; "
        f"feed open: none of 1 rows is clean: 1 excluded. {conditions}{describe_remedy(test)}. See "
    )
