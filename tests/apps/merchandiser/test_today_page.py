"""The start page, and the lines on it."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.today.today_lines import (
    TodayState,
    describe_data_age,
    describe_deliveries,
    describe_experiments,
    describe_live_lists,
    describe_model,
    describe_prices,
    describe_stale_products,
)
from tests.apps.conftest import OpenApp
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def open_state(settings: Settings, now: datetime | None = None) -> TodayState:
    """Return the state of a warehouse, by default one day after its newest data."""
    copy = ServingCopy(settings)
    newest_row_at = copy.published.newest_row_at
    assert newest_row_at is not None
    return TodayState(copy, settings, now or newest_row_at.replace(tzinfo=UTC) + timedelta(days=1))


def change_and_publish(settings: Settings, tables: list[str], *statements: str) -> TodayState:
    """Change the warehouse, publish it, and return its state."""
    with duckdb.connect(str(settings.database)) as connection:
        for statement in statements:
            connection.execute(statement)
    publish(settings, tables)
    return open_state(settings)


def test_old_data_are_red(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    """The demo shop's data end before the present day."""
    app = open_app("today")
    assert not app.exception
    data_until = demo_copy.published.newest_row_at
    assert data_until is not None
    (line,) = (element.value for element in app.markdown if "Data until" in element.value)
    assert escape_markdown(f"Data until {data_until:%d %b %Y, %H:%M} UTC") in line
    assert line.startswith(":red[:material/error:] :red[")
    assert "lists are outdated" in line


def test_age_of_data(demo_warehouse: Settings) -> None:
    state = open_state(demo_warehouse)
    assert describe_data_age(state).level == "good"
    assert "24 hours ago" in describe_data_age(state).text
    later = state._replace(now=state.now + timedelta(days=240))
    assert describe_data_age(later).level == "bad"
    assert "241 days ago" in describe_data_age(later).text
    patient = later._replace(settings=demo_warehouse.model_copy(update={"app_max_data_age_days": 300}))
    assert describe_data_age(patient).level == "good"


def test_deliveries_of_yesterday(demo_warehouse: Settings) -> None:
    state = open_state(demo_warehouse)
    line = describe_deliveries(state)
    assert line is not None
    assert line.text.startswith("Yesterday (")
    late = describe_deliveries(state._replace(now=state.now + timedelta(days=30)))
    assert late is not None
    assert late.level == "bad"
    assert late.text.startswith("No delivery of yesterday (")
    # The log of the lists is of today.
    newest = state.copy.query_frame("select max(delivery_day) as day from audit_feed_days where feed = 'events'")
    assert f"the newest is of {newest['day'].iloc[0]:%d %b %Y}" in late.text


def test_healthy_shop(demo_warehouse: Settings) -> None:
    state = open_state(demo_warehouse)
    assert describe_live_lists(state).text.startswith("Lists live since ")
    assert describe_model(state).text.startswith(
        "No earlier model to compare with: its lead over the best simple method"
    )
    assert describe_prices(state).text.endswith("available products have a price above 0.")
    assert describe_experiments(state).text == "No experiment is running."


def test_zero_and_missing_prices(writable_warehouse: Settings, published_tables: list[str]) -> None:
    state = change_and_publish(
        writable_warehouse,
        published_tables,
        "update marts.dim_products set price = 0 where product_id in (select product_id from marts.dim_products where "
        "is_available order by product_id limit 2)",
        "update marts.dim_products set price = null where product_id in (select product_id from marts.dim_products "
        "where is_available order by product_id desc limit 1)",
    )
    line = describe_prices(state)
    assert line.text == "2 products with the price 0 and 1 product without a price can be recommended."
    assert line.level == "bad"
    assert line.query_params["exposure"] == "Without a price"


def test_stale_products(writable_warehouse: Settings, published_tables: list[str]) -> None:
    state = change_and_publish(
        writable_warehouse,
        published_tables,
        "update marts.audit_product_freshness set is_stale = product_id in (select max(product_id) from "
        "marts.audit_product_freshness), list_entry_count = 3",
    )
    line = describe_stale_products(state)
    assert line is not None
    assert line.text.startswith("1 product is stale")
    assert line.query_params["exposure"] == "Stale"
    assert line.level == "note"


@pytest.mark.parametrize(
    ("earlier_difference", "text"), [(-1, "better than"), (1, "worse than"), (None, "about the same as")]
)
def test_model_beside_last_week(
    writable_warehouse: Settings, published_tables: list[str], earlier_difference: float | None, text: str
) -> None:
    difference = "ndcg_difference" if earlier_difference is None else str(earlier_difference)
    state = change_and_publish(
        writable_warehouse,
        published_tables,
        "update marts.eval_model_runs set serving_started_at = timestamp '2026-01-20', promotion_number = 2",
        f"insert into marts.eval_model_runs select * replace ('earlier' as run_id, false as is_serving, 1 as "
        f"promotion_number, timestamp '2026-01-10' as serving_started_at, {difference} as ndcg_difference) from "
        "marts.eval_model_runs",
    )
    line = describe_model(state._replace(now=datetime(2026, 1, 21, tzinfo=UTC)))
    assert line.text.startswith(f"The model is {text} last week: its lead over the best simple method")
    assert (line.level == "note") == (text == "worse than")
    same = describe_model(state._replace(now=datetime(2026, 3, 21, tzinfo=UTC)))
    assert same.text.startswith("The same model as last week: ")


def test_running_experiment(writable_warehouse: Settings, published_tables: list[str]) -> None:
    state = change_and_publish(
        writable_warehouse,
        published_tables,
        "insert into marts.rec_experiments by name select 'lists' as experiment, unnest(['control', 'model']) as arm, "
        "'popularity' as policy, 0.5 as share, date '2026-01-01' as starts_on, date '2026-01-01' as active_on",
    )
    assert describe_experiments(state).text == "Running: experiment lists with 2 arms."


def test_empty_shop_has_lines(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        for table in ("dim_users", "dim_products", "rec_top_n", "eval_model_runs", "audit_feed_days", "audit_feeds"):
            connection.execute(f"delete from marts.{table}")
    publish(writable_warehouse, published_tables)
    app = open_app("today", writable_warehouse)
    assert not app.exception
    texts = [element.value for element in app.markdown]
    assert any("their age is unknown" in text for text in texts)
    assert any("for 0 customers of 0" in text for text in texts)


def test_copy_of_earlier_version(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    audits = ("audit_feed_days", "audit_product_freshness", "rec_experiments")
    publish(writable_warehouse, [table for table in published_tables if table not in audits])
    assert not open_app("today", writable_warehouse).exception
    assert not open_app("quality", writable_warehouse).exception


def test_hostile_warning_is_text(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute(
            "update marts.audit_feed_days set warning = ?", ["<b>x</b> [a](http://evil.example) :red[y] " + "z" * 1000]
        )
    publish(writable_warehouse, published_tables)
    app = open_app("today", writable_warehouse)
    assert not app.exception
    (line,) = (element.value for element in app.markdown if "such as" in element.value)
    assert "<b>" not in line
    assert len(line) < 1000
