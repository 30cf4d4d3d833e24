"""The page of the customers compared with the published copy."""

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from apps.merchandiser.customers.customer_texts import ACTION_LABELS
from apps.merchandiser.markdown import escape_markdown
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.app_contents import (
    HOSTILE_TEXTS,
    capture_exports,
    get_recommendations_table,
    get_table,
    list_customer_ids,
)
from warehouse.publishing.customer_queries import count_actions, get_timeline
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings


def rename_customer(settings: Settings, old_id: str, new_id: str) -> None:
    """Give a customer another id in the tables of the app."""
    with duckdb.connect(str(settings.database)) as connection:
        for table in ("dim_users", "rec_top_n"):
            connection.execute(f"update marts.{table} set user_id = ? where user_id = ?", [new_id, old_id])


def test_start_shows_customers_to_choose(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app("customers")
    assert not app.exception
    assert not app.dataframe
    chosen = list_customer_ids(demo_copy)[3]
    app.button(key=f"choose_{chosen}").click().run()
    assert app.query_params["customer"] == chosen
    assert list(get_recommendations_table(app)["product_id"]) == list(
        demo_copy.get_recommendations(chosen, 10)["product_id"]
    )


def test_facts_of_customer(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    figures = {metric.label: metric.value for metric in open_app("customers", customer=user_id).metric}
    customer = demo_copy.get_customer(user_id)
    assert figures["Views, clicks and cart actions"] == f"{customer['event_count']:,}"
    assert figures["Items bought"] == f"{customer['purchase_count']:,}"
    assert figures["Orders"] == f"{customer['order_count']:,}"
    assert figures["Spent"] == f"{customer['total_spend']:,.2f} EUR"
    assert figures["Favourite brand"] == customer["favourite_brand"].capitalize()


def test_link_shows_published_list(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    linked = list_customer_ids(demo_copy)[200]
    app = open_app("customers", customer=linked)
    published = demo_copy.get_recommendations(linked, 10)
    columns = ["rank", "product_id", "product_name", "category", "brand", "price", "score", "reason"]
    pd.testing.assert_frame_equal(get_recommendations_table(app)[columns], published[columns], check_dtype=False)


def test_search_shows_exact_id_first(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    """An id that is part of other ids, and an id in other letters, select their customer."""
    ids = list_customer_ids(demo_copy)
    rename_customer(writable_warehouse, ids[-1], ids[0][:-1])
    publish(writable_warehouse, published_tables)
    app = open_app("customers", writable_warehouse)
    app.text_input(key="search").set_value(ids[0][:-1]).run()
    assert app.query_params["customer"] == ids[0][:-1]
    app.text_input(key="search").set_value(ids[5].upper()).run()
    assert app.query_params["customer"] == ids[5]
    assert app.subheader[0].value == f"Customer {ids[5]}"


def test_partial_search_shows_no_customer(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    app = open_app("customers", customer=user_id)
    app.text_input(key="search").set_value(user_id[:-1]).run()
    assert not app.dataframe
    assert not app.metric
    assert [button.key for button in app.button if str(button.key).startswith("choose_")]
    app.text_input(key="search").set_value("").run()
    assert app.subheader[0].value == f"Customer {user_id}"


@pytest.mark.parametrize("search", ["no such customer", *HOSTILE_TEXTS])
def test_unknown_search_shows_no_customer(open_app: OpenApp, demo_copy: ServingCopy, search: str) -> None:
    app = open_app("customers", customer=list_customer_ids(demo_copy)[0])
    app.text_input(key="search").set_value(search).run()
    assert not app.exception
    assert escape_markdown(search) in app.info[0].value
    assert not app.dataframe
    assert not app.metric


@pytest.mark.parametrize("user_id", ["unknown-customer", *HOSTILE_TEXTS])
def test_unknown_customer_in_link(open_app: OpenApp, user_id: str) -> None:
    app = open_app("customers", customer=user_id)
    assert not app.exception
    assert escape_markdown(user_id[:20]) in app.warning[0].value
    assert not app.dataframe
    assert not app.metric


def test_back_after_search_shows_earlier(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    """Back changes the address only; the search box still has the text of the later customer."""
    first, second = list_customer_ids(demo_copy)[:2]
    app = open_app("customers", customer=first)
    app.text_input(key="search").set_value(second).run()
    assert app.subheader[0].value == f"Customer {second}"
    app.query_params["customer"] = first
    app.run()
    assert app.subheader[0].value == f"Customer {first}"
    assert app.text_input(key="search").value == ""


def test_customer_stays_across_pages(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    linked = list_customer_ids(demo_copy)[200]
    app = open_app("customers", customer=linked)
    app.switch_page("../pages/quality.py").run()
    app.query_params.clear()
    app.switch_page("../pages/customers.py").run()
    assert app.subheader[0].value == f"Customer {linked}"
    # A reload shows the customer of the address.
    assert app.query_params["customer"] == linked


def test_history_counts_all_actions(open_app: OpenApp, demo_warehouse: Settings, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    counts = count_actions(demo_copy, user_id)
    with duckdb.connect(str(demo_warehouse.database), read_only=True) as connection:
        (transaction_count,), (event_count,) = connection.execute(
            """
            select count(*) from marts.fct_transactions where user_id = $1
            union all
            select count(*) from marts.fct_events where user_id = $1 and event_type != 'purchase'
            """,
            [user_id],
        ).fetchall()
    assert counts["purchase"] + counts.get("return", 0) == transaction_count
    assert sum(counts.values()) == transaction_count + event_count > 200
    app = open_app("customers", customer=user_id, view="History")
    buttons = app.segmented_control(key=f"actions_of_{user_id}")
    assert f"{ACTION_LABELS['purchase']} {counts['purchase']:,}" in buttons.options
    assert len(get_table(app, "action_type")) == 100
    buttons.set_value(["purchase"]).run()
    rows = get_table(app, "action_type")
    assert set(rows["action_type"]) == {"purchase"}
    assert len(rows) == min(counts["purchase"], 100)


def test_timeline_pages_are_the_whole(demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    whole = get_timeline(demo_copy, user_id)
    pages = [get_timeline(demo_copy, user_id, (), 100, offset) for offset in range(0, len(whole), 100)]
    pd.testing.assert_frame_equal(pd.concat(pages, ignore_index=True), whole, check_dtype=False)
    assert whole["action_at"].is_monotonic_decreasing
    assert len(whole) == sum(count_actions(demo_copy, user_id).values())


def test_slider_sets_list_length(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    app = open_app("customers", customer=user_id)
    app.slider(key="customer_n").set_value(25).run()
    published = demo_copy.get_recommendations(user_id, 25)
    assert list(get_recommendations_table(app)["product_id"]) == list(published["product_id"])
    assert app.slider(key="customer_n").max == demo_copy.get_max_list_length()


def test_filters_keep_original_ranks(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    published = demo_copy.get_recommendations(user_id, demo_copy.get_max_list_length())
    category = published["category"].mode()[0]
    max_price = float(published.loc[published["category"] == category, "price"].median())
    app = open_app("customers", customer=user_id)
    app.multiselect(key=f"customer_{user_id}_category").select(category)
    app.text_input(key=f"customer_{user_id}_max_price").set_value(str(max_price).replace(".", ",")).run()
    expected = published[(published["category"] == category) & (published["price"] <= max_price)].head(10)
    assert 0 < len(expected) < len(published)
    assert list(get_recommendations_table(app)["rank"]) == list(expected["rank"])
    app.button(key="customer_clear").click().run()
    assert list(get_recommendations_table(app)["rank"]) == list(range(1, 11))


def test_ambiguous_price_is_refused(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    app = open_app("customers", customer=user_id)
    app.text_input(key=f"customer_{user_id}_min_price").set_value("1,200").run()
    assert not app.exception
    assert escape_markdown("“1,200” can mean 1200 or 1.2. Write 1200, or 1.2") in app.error[0].value
    assert len(get_recommendations_table(app)) == 10


def test_filters_without_match_show_message(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    app = open_app("customers", customer=user_id)
    app.text_input(key=f"customer_{user_id}_min_price").set_value("1000000000").run()
    assert not app.exception
    assert "matches the filters" in app.info[0].value
    assert app.download_button(key="customer_export").proto.disabled


def test_filters_belong_to_customer(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    """Another customer has no filters; the filters of the first one survive a visit to another page."""
    first, second = list_customer_ids(demo_copy)[:2]
    brand = demo_copy.get_recommendations(first, 50)["brand"].iloc[0]
    app = open_app("customers", customer=first)
    app.multiselect(key=f"customer_{first}_brand").select(brand).run()
    app.text_input(key="search").set_value(second).run()
    assert app.multiselect(key=f"customer_{second}_brand").value == []
    assert len(get_recommendations_table(app)) == 10
    app.switch_page("../pages/quality.py").run()
    app.switch_page("../pages/customers.py")
    app.query_params["customer"] = first
    app.run()
    assert app.multiselect(key=f"customer_{first}_brand").value == [brand]
    assert set(get_recommendations_table(app)["brand"]) == {brand}


def test_export_has_visible_rows(
    open_app: OpenApp, demo_copy: ServingCopy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exports = capture_exports(monkeypatch)
    user_id = list_customer_ids(demo_copy)[0]
    app = open_app("customers", customer=user_id)
    app.slider(key="customer_n").set_value(50)
    category = get_recommendations_table(app)["category"].iloc[0]
    app.multiselect(key=f"customer_{user_id}_category").select(category).run()
    file = tmp_path / "export.csv"
    file.write_bytes(exports[f"recomart-recommendations-{user_id}.csv"])
    pd.testing.assert_frame_equal(
        pd.read_csv(file), get_recommendations_table(app).reset_index(drop=True), check_dtype=False
    )
    assert 0 < len(get_recommendations_table(app)) < 50


def test_hostile_names_are_shown_as_text(
    open_app: OpenApp,
    writable_warehouse: Settings,
    published_tables: list[str],
    demo_copy: ServingCopy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The names of a customer and of products, in the table, the cards, the export and the choice."""
    old_id, user_id = list_customer_ids(demo_copy)[0], "=<b>*c*</b>🛍️" + "x" * 300
    rename_customer(writable_warehouse, old_id, user_id)
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        for rank, text in enumerate(HOSTILE_TEXTS, start=1):
            connection.execute(
                "update marts.rec_top_n set product_name = $1, category = $1, brand = $1, reason = $1, price = 0.001 "
                "where user_id = $2 and rank = $3",
                [text, user_id, rank],
            )
        connection.execute("update marts.rec_top_n set brand = null where user_id = ? and rank = 7", [user_id])
    publish(writable_warehouse, published_tables)
    exports = capture_exports(monkeypatch)
    app = open_app("customers", writable_warehouse)
    app.button(key=f"choose_{user_id}").click().run()
    assert not app.exception
    table = get_recommendations_table(app)
    assert list(table["product_name"])[:6] == list(HOSTILE_TEXTS)
    assert table["brand"].iloc[6] == "—"
    (file_name,) = (name for name in exports if name.startswith("recomart-recommendations-b-c-b-"))
    assert len(file_name) < 120
    assert b"'=HYPERLINK(1)" in exports[file_name]
    app.segmented_control(key="customer_view").set_value("Cards").run()
    assert not app.exception
    texts = [element.value for element in app.markdown]
    assert f"**1\\. {escape_markdown(HOSTILE_TEXTS[0])}**" in texts
    assert any(text.startswith(escape_markdown("0.001")) for text in texts)


def test_reasons_of_list_are_no_circle(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    """Two products that are each other's reason in the published list."""
    user_id = list_customer_ids(demo_copy)[0]
    first, second = demo_copy.get_recommendations(user_id, 2).to_dict("records")
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        for row, other in ((first, second), (second, first)):
            connection.execute(
                "update marts.rec_top_n set reason_key = 'clicked', reason_product_id = $1, reason = $2 "
                "where user_id = $3 and product_id = $4",
                [other["product_id"], f"A click on {other['product_name']}", user_id, row["product_id"]],
            )
    publish(writable_warehouse, published_tables)
    reasons = list(get_recommendations_table(open_app("customers", writable_warehouse, customer=user_id))["reason"])
    assert second["product_name"] not in reasons[0]
    assert reasons[1] == f"A click on {first['product_name']}"


def test_reasons_name_no_blocked_product(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    """The table, and the view Why not?, follow a block at once."""
    publish(writable_warehouse, published_tables)
    rows = demo_copy.query_frame(
        "select user_id, product_id, reason_product_id from rec_top_n where reason_product_id is not null and rank = 1 "
        "order by all limit 1"
    )
    user_id, product_id, blocked = rows.iloc[0]
    rule = Rule(kind="block", scope="product", value=blocked, reason="recall")
    RuleStore(writable_warehouse).add([rule], "ann", "recall")
    name = demo_copy.get_products([blocked])["product_name"].iloc[0]
    reasons = get_recommendations_table(open_app("customers", writable_warehouse, customer=user_id))["reason"]
    assert reasons.iloc[0].startswith("More from ")
    assert not reasons.str.contains(name, regex=False).any()
    app = open_app("customers", writable_warehouse, customer=user_id, view="Why not?")
    app.text_input(key="absent_product_search").set_value(product_id).run()
    (answer,) = (element.value for element in app.markdown if "recommended at rank 1" in element.value)
    assert "More from " in answer


def test_new_customers_get_popular_products(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app("customers", section="New customers")
    assert not app.exception
    assert list(get_recommendations_table(app)["product_id"]) == list(demo_copy.get_popular_products(10)["product_id"])
    app.multiselect(key="new_customer__category").select("books").run()
    popular = demo_copy.get_popular_products(1000)
    assert list(get_recommendations_table(app)["rank"]) == list(
        popular[popular["category"] == "books"]["rank"].head(10)
    )


def test_new_customers_see_pinned_products(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("update marts.rec_popular_products set source = 'pinned' where rank = 2")
    publish(writable_warehouse, published_tables)
    app = open_app("customers", writable_warehouse, section="New customers")
    assert list(get_recommendations_table(app)["source"])[:3] == ["Popular", "Pinned", "Popular"]


def test_currency_is_in_the_price(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        if "currency" not in demo_copy.get_products(["p"]):
            connection.execute("alter table marts.dim_products add column currency varchar")
        connection.execute("update marts.dim_products set currency = 'EUR'")
    publish(writable_warehouse, published_tables)
    user_id = list_customer_ids(demo_copy)[0]
    app = open_app("customers", writable_warehouse, customer=user_id)
    assert set(get_recommendations_table(app)["currency"]) == {"EUR"}
    app.segmented_control(key="customer_view").set_value("Cards").run()
    assert [element for element in app.markdown if element.value.endswith(" EUR")]


def test_shop_without_customers(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        for table in ("dim_users", "rec_top_n"):
            connection.execute(f"delete from marts.{table}")
    publish(writable_warehouse, published_tables)
    app = open_app("customers", writable_warehouse)
    assert not app.exception
    assert app.info[0].value == "There are no customers yet."
