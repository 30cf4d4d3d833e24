"""The audiences of the page of the customers."""

import io

import duckdb
import pandas as pd
import pytest

from apps.merchandiser.markdown import escape_markdown
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.app_contents import capture_exports
from warehouse.audiences import Audience, AudienceStore
from warehouse.publishing.audience_queries import (
    count_audience,
    count_by_condition,
    get_audience_customers,
    get_audience_lists,
)
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings
from warehouse.spreadsheets import encode_csv

SECTION = {"section": "Audiences"}


def test_count_equals_the_table(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    users = demo_copy.query_frame("select * from dim_users")
    category = users["favourite_category"].mode()[0]
    data_end = users["last_seen_at"].max()
    days, spend = 1, 50
    expected = users[
        (users["favourite_category"] == category)
        & (users["last_seen_at"] <= data_end - pd.Timedelta(days=days))
        & (users["total_spend"].astype(float) >= spend)
    ]
    assert 0 < len(expected) < len(users)
    app = open_app("customers", **SECTION)
    app.selectbox(key="audience_favourite_category").select(category)
    app.text_input(key="audience_min_days_since_seen").set_value(str(days))
    app.text_input(key="audience_min_spend").set_value("50,00")
    app.button[0].click().run()
    assert not app.exception
    assert app.subheader[0].value == f"{len(expected)} customers"
    assert set(app.dataframe[0].value["user_id"]) <= set(expected["user_id"])


def test_conditions_of_audience(demo_copy: ServingCopy) -> None:
    users = demo_copy.query_frame("select * from dim_users")
    recent = users["last_seen_at"] >= users["last_seen_at"].max() - pd.Timedelta(days=1)
    for audience, expected in (
        (Audience(), len(users)),
        (Audience(max_days_since_seen=1), recent.sum()),
        (Audience(min_orders=2, max_orders=3), users["order_count"].between(2, 3).sum()),
        (Audience(max_spend=0), (users["total_spend"].astype(float) <= 0).sum()),
    ):
        assert count_audience(demo_copy, audience).customers == expected
        assert len(get_audience_customers(demo_copy, audience, 10_000)) == expected


def test_empty_audience_names_condition(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    category = demo_copy.query_frame("select mode(favourite_category) as name from dim_users")["name"].iloc[0]
    audience = Audience(favourite_category=category, min_days_since_seen=1, min_spend=1_000_000, max_orders=5)
    counts = count_by_condition(demo_copy, audience)
    first_count = count_audience(demo_copy, Audience(favourite_category=category)).customers
    second_count = count_audience(demo_copy, Audience(favourite_category=category, min_days_since_seen=1)).customers
    assert list(counts.values()) == [first_count, second_count, 0, 0]
    app = open_app("customers", **SECTION)
    app.selectbox(key="audience_favourite_category").select(category)
    for name, text in (("min_days_since_seen", "1"), ("min_spend", "1000000"), ("max_orders", "5")):
        app.text_input(key=f"audience_{name}").set_value(text)
    app.button[0].click().run()
    assert app.info[0].value == escape_markdown(
        f"No customer meets these conditions: {first_count} customers with favourite category {category}, "
        f"{second_count} of them not seen for at least 1 day, 0 of them with at least 1,000,000 spent."
    )


def test_export_has_top_n_of_each_customer(
    open_app: OpenApp, demo_copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = capture_exports(monkeypatch)
    open_app("customers", **SECTION)
    exported = pd.read_csv(io.BytesIO(exports["recomart-audience-top-3.csv"]))
    published = demo_copy.query_frame("select * from rec_top_n where rank <= 3 order by user_id, rank")
    assert list(exported["user_id"]) == list(published["user_id"])
    assert list(exported["product_id"]) == list(published["product_id"])
    users = demo_copy.query_frame("select * from dim_users").set_index("user_id").loc[list(exported["user_id"])]
    for column in ("favourite_category", "order_count", "purchase_count"):
        assert list(exported[column].fillna("")) == list(users[column].fillna(""))
    assert list(exported["total_spend"]) == pytest.approx(list(users["total_spend"].astype(float)))
    assert list(pd.to_datetime(exported["last_seen_at"])) == list(users["last_seen_at"].dt.floor("s"))


def test_export_is_safe_for_spreadsheets(writable_warehouse: Settings, published_tables: list[str]) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("update marts.rec_top_n set product_name = '=1+1' where rank = 1")
        connection.execute("update marts.dim_users set favourite_category = '@sum'")
    publish(writable_warehouse, published_tables)
    with ServingCopy(writable_warehouse) as copy:
        content = encode_csv(get_audience_lists(copy, Audience(), 1))
    assert b'"\'=1+1"' in content
    assert b'"\'@sum"' in content


def test_save_open_and_delete(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    publish(writable_warehouse, published_tables)
    name = "*Big* <b>spenders</b>"
    app = open_app("customers", writable_warehouse, **SECTION)
    app.text_input(key="audience_min_spend").set_value("12,5")
    app.button[0].click().run()
    app.text_input(key="audience_name").set_value(name)
    app.text_input(key="user_name").set_value("ann").run()
    app.button(key="audience_save").click().run()
    assert not app.exception
    (saved,) = AudienceStore(writable_warehouse).list_audiences()
    assert (saved.name, saved.audience, saved.change.user) == (name, Audience(min_spend=12.5), "ann")
    assert app.success[0].value == escape_markdown(f"Saved: audience “{name}”.")
    assert app.selectbox(key="saved_audience").value == name
    assert app.text_input(key="audience_min_spend").value == "12,5"
    assert not app.run().success

    other = open_app("customers", writable_warehouse, **SECTION)
    other.selectbox(key="saved_audience").select(name).run()
    assert other.text_input(key="audience_min_spend").value == "12.5"
    other.text_input(key="user_name").set_value("bob").run()
    other.button(key="audience_delete").click().run()
    assert escape_markdown(f"audience '{name}' not deleted: ann saved it on ") in other.error[0].value
    assert len(AudienceStore(writable_warehouse).list_audiences()) == 1
    assert other.checkbox[0].label == "Delete the audience of ann"
    other.checkbox[0].check().run()
    other.button(key="audience_delete").click().run()
    assert not other.exception
    assert not other.error
    assert AudienceStore(writable_warehouse).list_audiences() == []
    assert other.success[0].value == escape_markdown(f"Deleted: audience “{name}”.")
    assert other.text_input(key="audience_min_spend").value == "12.5"


def test_own_audience_is_deleted_at_once(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    publish(writable_warehouse, published_tables)
    AudienceStore(writable_warehouse).save("ann", "big", Audience(min_spend=100))
    app = open_app("customers", writable_warehouse, **SECTION)
    app.selectbox(key="saved_audience").select("big").run()
    app.text_input(key="user_name").set_value("ann").run()
    assert not app.checkbox
    app.button(key="audience_delete").click().run()
    assert AudienceStore(writable_warehouse).list_audiences() == []


def test_replacement_needs_confirmation(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    publish(writable_warehouse, published_tables)
    store = AudienceStore(writable_warehouse)
    store.save("ann", "big", Audience(min_spend=100))
    app = open_app("customers", writable_warehouse, **SECTION)
    app.text_input(key="audience_name").set_value("big")
    app.text_input(key="user_name").set_value("bob").run()
    app.button(key="audience_save").click().run()
    assert escape_markdown("audience 'big' not saved: ann saved one under this name on ") in app.error[0].value
    assert store.list_audiences()[0].change.user == "ann"
    assert app.checkbox[0].label == "Replace the audience of ann"
    app.checkbox[0].check().run()
    app.button(key="audience_save").click().run()
    assert not app.exception
    assert not app.error
    assert not app.checkbox
    assert store.list_audiences()[0].change.user == "bob"


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("min_spend", "1,200", "can mean 1200 or 1\\.2"),
        ("min_orders", "1.5", "is not a whole number"),
        ("max_days_since_seen", "many", "is not an amount"),
    ],
)
def test_wrong_condition_is_refused(open_app: OpenApp, field: str, text: str, message: str) -> None:
    app = open_app("customers", **SECTION)
    app.text_input(key=f"audience_{field}").set_value(text)
    app.button[0].click().run()
    assert not app.exception
    assert message in app.error[0].value
    assert not app.dataframe


def test_order_condition_needs_order_counts(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    """A saved audience on a copy of an earlier version is not counted without its condition on orders."""
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("create table marts.users as select * exclude (order_count) from marts.dim_users")
        connection.execute("drop table marts.dim_users")
        connection.execute("alter table marts.users rename to dim_users")
    publish(writable_warehouse, published_tables)
    AudienceStore(writable_warehouse).save("ann", "loyal", Audience(min_orders=2))
    app = open_app("customers", writable_warehouse, **SECTION)
    assert "order_count" not in app.dataframe[0].value
    app.selectbox(key="saved_audience").select("loyal").run()
    assert not app.exception
    assert escape_markdown("“At least this many orders”: an earlier version of RecoMart") in app.error[0].value
    assert not app.dataframe
    app.text_input(key="audience_min_orders").set_value("")
    app.button[0].click().run()
    assert not app.error
    assert len(app.dataframe)


def test_damaged_store_is_named(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    publish(writable_warehouse, published_tables)
    writable_warehouse.audiences_file.write_text("x\n", encoding="utf-8")
    app = open_app("customers", writable_warehouse, **SECTION)
    assert not app.exception
    assert "is not a change" in app.warning[0].value


def test_lists_have_no_blocked_products(demo_copy: ServingCopy) -> None:
    """The products behind a blocked one move up."""
    published = demo_copy.query_frame("select user_id, product_id, rank from rec_top_n where rank <= 4")
    blocked = published["product_id"].mode()[0]
    expected = published[published["product_id"] != blocked].sort_values(["user_id", "rank"])
    expected = expected[expected.groupby("user_id").cumcount() < 3]
    lists = get_audience_lists(demo_copy, Audience(), 3, [blocked])
    assert lists["product_id"].tolist() == expected["product_id"].tolist()
    assert set(lists["rank"]) == {1, 2, 3}
