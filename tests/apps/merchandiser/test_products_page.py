"""The page of the products compared with the published copy."""

import io
import json

import duckdb
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.products import product_links, product_picker
from apps.merchandiser.products.exposure_texts import OVER_SHOWN, WITHOUT_SALES_TEXT, describe_exposure
from apps.merchandiser.products.exposure_view import SECTION, make_list_params
from apps.merchandiser.products.product_view import build_week_chart
from apps.merchandiser.products.related_products import PAIR_ORDER_TEXT
from apps.merchandiser.request_checks import build_security_headers
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.page_views import PAIRS
from tests.apps.merchandiser.test_customers_page import PUBLISHED_HOSTILE_TEXTS, get_table
from warehouse.publishing import product_queries
from warehouse.publishing.list_questions import explain_absence
from warehouse.publishing.product_queries import ExposureKind
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings
from warehouse.spreadsheets import encode_csv


def get_most_shown(copy: ServingCopy) -> dict[str, object]:
    """Return the product that most customers have in their top ten."""
    product_id = product_queries.search_products(copy, "", 1)["product_id"].iloc[0]
    product = product_queries.get_product(copy, product_id)
    assert product is not None
    return product


def get_metrics(app: AppTest) -> dict[str, str]:
    """Return the figures of the page by name."""
    return {metric.label: metric.value for metric in app.metric}


def change_product(settings: Settings, tables: list[str], product_id: str, **values: str | None) -> None:
    """Change columns of a product in the tables of the app, and publish them."""
    with duckdb.connect(str(settings.database)) as connection:
        for table in ("dim_products", "rec_product_exposure"):
            for column, value in values.items():
                if column in connection.table(f"marts.{table}").columns:
                    connection.execute(
                        f"update marts.{table} set {column} = ? where product_id = ?", [value, product_id]
                    )
    publish(settings, tables)


def test_products_search_selects_exact_id(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    product = get_most_shown(demo_copy)
    app = open_app("products")
    assert app.caption[0].value == "Products shown most"
    app.text_input(key="product_search").set_value(str(product["product_id"]).upper()).run()
    assert not app.exception
    assert app.query_params["product"] == product["product_id"]
    assert app.subheader[0].value == escape_markdown(str(product["product_name"]))
    metrics = get_metrics(app)
    assert metrics["In the top 10"] == f"{product['top_10_customer_count']:,}"
    assert metrics["Price"].endswith(" EUR")
    links = [link.proto for link in app.get("page_link") if link.proto.page.endswith("rules")]
    values = [f"product={product['product_id']}"] * 3 + [f"brand={product['brand']}", f"category={product['category']}"]
    assert [link.query_string for link in links] == [
        f"rules_section=Add+a+rule&rule_kind={kind}&rule_{value}"
        for kind, value in zip(["block", "boost", "bury", "boost", "boost"], values, strict=True)
    ]


def test_products_search_by_words(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    """The words can be in any order and casing; a choice of several products shows no product."""
    app = open_app("products")
    product = get_most_shown(demo_copy)
    words = str(product["product_name"]).split()
    app.text_input(key="product_search").set_value(" ".join(reversed(words)).upper()).run()
    assert app.query_params["product"] == product["product_id"]
    app.text_input(key="product_search").set_value("p0").run()
    assert app.caption[0].value.startswith("More than 20 products")
    assert not app.metric
    app.button(key=f"choose_product_{product['product_id']}").click().run()
    assert app.subheader[0].value == escape_markdown(str(product["product_name"]))
    app.text_input(key="product_search").set_value("no such <b>thing</b>").run()
    assert "No product has" in app.info[0].value
    assert "<b>" not in app.info[0].value


@pytest.mark.parametrize(
    ("count", "heading"),
    [(1, "1 product with “mug”"), (2, "2 products with “mug”, the ones shown most first")],
)
def test_found_products_have_heading(monkeypatch: pytest.MonkeyPatch, count: int, heading: str) -> None:
    headings: list[str] = []
    monkeypatch.setattr(product_picker, "show_product_buttons", lambda _, text, *__: headings.append(text))
    product_picker.show_found_products(pd.DataFrame({"product_id": range(count)}), "mug", str)
    assert headings == [heading]


def test_products_customers_equal_lists(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    product = get_most_shown(demo_copy)
    app = open_app("products", product=str(product["product_id"]))
    table = get_table(app, "user_id")
    expected = demo_copy.query_frame(
        "select user_id, rank from rec_top_n where product_id = ? order by rank, user_id limit 100",
        product["product_id"],
    )
    assert list(table["user_id"]) == list(expected["user_id"])
    assert list(table["rank"]) == list(expected["rank"])
    assert table["link"].iloc[0] == f"./customers?customer={expected['user_id'].iloc[0]}"
    counts = product_queries.count_customers_by_rank(demo_copy, str(product["product_id"]))
    assert counts["customers"].sum() == product["list_customer_count"]
    assert counts.loc[counts["rank"] <= 3, "customers"].sum() == product["top_3_customer_count"]


def test_products_rank_of_one_customer(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    """The field answers with the rank, or with the reason of the page of customers."""
    product_id = str(get_most_shown(demo_copy)["product_id"])
    app = open_app("products", product=product_id)

    def ask(search: str) -> AppTest:
        return app.text_input(key=f"customer_of_{product_id}").set_value(search).run()

    (row,) = product_queries.get_customers_of_product(demo_copy, product_id, 1).to_dict("records")
    ask(row["user_id"].upper())
    answers = [element.value for element in app.markdown]
    assert any(escape_markdown(f"It is recommended at rank {row['rank']}:") in answer for answer in answers)
    links = [link.proto.query_string for link in app.get("page_link")]
    assert f"customer={row['user_id']}" in links
    absent_user = demo_copy.query_frame(
        "select user_id from rec_top_n group by user_id having not list_contains(list(product_id), ?) limit 1",
        product_id,
    )["user_id"].iloc[0]
    (reason, *_) = explain_absence(demo_copy, absent_user, product_id)
    ask(absent_user)
    assert any(escape_markdown(reason) in element.value for element in app.markdown)
    assert "Type the whole id" in ask("u0").info[-1].value
    assert "No customer id contains" in ask("<b>none").info[-1].value
    assert not app.exception


@pytest.mark.parametrize("view", ["Trend and prices", "Bought together", "Similar"])
def test_products_views_show_tables(open_app: OpenApp, demo_copy: ServingCopy, view: str) -> None:
    product = get_most_shown(demo_copy)
    app = open_app("products", product=str(product["product_id"]), product_view=view)
    assert not app.exception
    product_id = str(product["product_id"])
    if view == "Trend and prices":
        assert len(get_table(app, "valid_from")) == len(product_queries.get_price_history(demo_copy, product_id))
    elif view == "Bought together":
        pairs = product_queries.get_products_bought_together(demo_copy, product_id)
        if pairs.empty:
            assert "No other product" in app.info[0].value
        else:
            assert list(get_table(app, "lift")["other_product_id"]) == list(pairs["other_product_id"])
            assert PAIR_ORDER_TEXT in [caption.value for caption in app.caption]
    else:
        assert len(get_table(app, "score")) > 5


def test_products_pairs_have_lift_in_words(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("delete from marts.rec_product_pairs")
        connection.execute(PAIRS)
    publish(writable_warehouse, published_tables)
    product_id = str(get_most_shown(demo_copy)["product_id"])
    app = open_app("products", writable_warehouse, product=product_id, product_view="Bought together")
    assert not app.exception
    assert list(get_table(app, "lift")["extra_order_count"]) == pytest.approx([7.2])
    (table,) = (frame for frame in app.dataframe if "lift" in frame.value)
    assert json.loads(table.proto.columns)["lift"]["type_config"]["format"] == "%.1f times as often as by chance"
    assert PAIR_ORDER_TEXT in [caption.value for caption in app.caption]


def test_week_chart_labels_first_days() -> None:
    """A week without actions has the count 0; no label depends on a time zone."""
    weeks = pd.DataFrame({"week_start": pd.to_datetime(["2025-12-26", "2026-01-09"]).date, "view_count": [3, 5]})
    chart = build_week_chart(weeks.assign(click_count=0, add_to_cart_count=0, purchase_count=0))
    assert chart.to_dict()["encoding"]["x"]["sort"] == ["26 Dec", "2 Jan", "9 Jan"]
    assert chart.to_dict()["encoding"]["x"]["type"] == "ordinal"
    assert list(chart.data.loc[chart.data["action"] == "Views", "count"]) == [3, 0, 5]


def test_products_no_change_has_no_arrow(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    product_id = str(get_most_shown(demo_copy)["product_id"])
    values = {"action_count_28d": "7", "action_count_before_28d": "7", "quantity_28d": "3", "quantity_before_28d": "1"}
    change_product(writable_warehouse, published_tables, product_id, **values)
    app = open_app("products", writable_warehouse, product=product_id)
    deltas = {metric.label: metric.delta for metric in app.metric}
    assert deltas["Actions, 28 days"] == ""
    assert deltas["Items bought, 28 days"] == "+2"


def test_products_not_shown_has_reason(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    rows = demo_copy.query_frame("from rec_product_exposure where not_shown_reason_key = 'not_available' limit 1")
    app = open_app("products", product=rows["product_id"].iloc[0])
    assert "Why it is not shown: Not available" in app.info[0].value
    assert "No customer has this product" in app.info[1].value


def test_products_unknown_product_is_said(open_app: OpenApp) -> None:
    app = open_app("products", product="<script>")
    assert not app.exception
    assert "has no product" in app.warning[0].value
    assert "<script>" not in app.warning[0].value


@pytest.mark.parametrize("text", PUBLISHED_HOSTILE_TEXTS)
def test_products_hostile_name_is_text(
    open_app: OpenApp,
    writable_warehouse: Settings,
    published_tables: list[str],
    demo_copy: ServingCopy,
    text: str,
) -> None:
    product_id = str(get_most_shown(demo_copy)["product_id"])
    change_product(writable_warehouse, published_tables, product_id, product_name=text, category=text, product_url=text)
    app = open_app("products", writable_warehouse, product=product_id)
    assert not app.exception
    assert app.subheader[0].value == escape_markdown(shorten_text(text, 160))
    assert not app.get("link_button")
    with ServingCopy(writable_warehouse) as copy:
        rows = product_queries.list_products_by_exposure(copy, "shown_most", limit=5)
    exported = pd.read_csv(io.BytesIO(encode_csv(rows)))
    assert not exported["product_name"].str.startswith("=").any()


def test_products_exposure_lists(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app("products", products_section=SECTION)
    most = get_table(app, "top_10_customer_count")
    assert most["top_10_customer_count"].is_monotonic_decreasing
    assert most["product_link"].iloc[0] == f"./products?product={most['product_id'].iloc[0]}"
    app.segmented_control(key="exposure").set_value("Never shown").run()
    never = get_table(app, "not_shown_reason")
    assert (never["list_customer_count"] == 0).all()
    assert never["not_shown_reason"].notna().all()
    category = never["category"].iloc[0]
    app.multiselect(key="exposure_category").set_value([category]).run()
    assert set(get_table(app, "not_shown_reason")["category"]) == {category}
    app.segmented_control(key="exposure").set_value("Brands").run()
    brands = get_table(app, "facet_value")
    assert len(brands) == len(product_queries.get_facet_exposure(demo_copy, "brand"))
    assert brands["top_10_share"].sum() == pytest.approx(100)


def test_exposure_answer_agrees_with_tables(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    summary = product_queries.summarize_exposure(demo_copy)
    app = open_app("products", products_section=SECTION, exposure=OVER_SHOWN)
    assert app.info[0].value == escape_markdown(describe_exposure(summary))
    products = get_table(app, "places_per_sales")
    assert len(products) == min(100, summary.over_shown_product_count or 0) > 0
    assert (products["places_per_sales"].dropna() >= product_queries.OVER_SHOWN_RATIO).all()
    for label, facet in (("Categories", "category"), ("Brands", "brand")):
        app.segmented_control(key="exposure").set_value(label).run()
        ratios = get_table(app, "facet_value").set_index("facet_value")["places_per_sales"]
        assert set(ratios[ratios >= product_queries.OVER_SHOWN_RATIO].index) <= set(summary.over_shown_values[facet])
        assert (ratios[summary.under_shown_values[facet]] <= 1 / product_queries.OVER_SHOWN_RATIO).all()


def test_exposure_answer_in_words() -> None:
    over_shown: dict[str, list[str]] = {"category": ["books"], "brand": list("abcdefg")}
    nothing: dict[str, list[str]] = {"category": [], "brand": []}
    text = describe_exposure(product_queries.ExposureSummary(12, 10, 1, 1, over_shown, nothing))
    assert text == (
        "Of 12 products, 10 can be in a list; 2 are not available or blocked. 1 of these 10 is never shown. Shown too "
        "much: 1 product has at least 3 times as large a share of the places 1 to 10 as of the sales; category books; "
        "brands a, b, c, d, e and 2 more. The reverse, shown too little: no category, no brand."
    )
    text = describe_exposure(product_queries.ExposureSummary(1, 1, 0, None, nothing, nothing))
    assert text == (
        "Of 1 product, 1 can be in a list. 0 of these 1 are never shown. Without sales in the last 28 days, it is "
        "unknown what is shown too much."
    )


def test_over_shown_list_without_sales(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("update marts.rec_product_exposure set amount_share_28d = null")
    publish(writable_warehouse, published_tables)
    app = open_app("products", writable_warehouse, products_section="Shown most and never", exposure="Shown too much")
    assert not app.exception
    assert app.info[-1].value == WITHOUT_SALES_TEXT


def test_exposure_lists_have_each_product(demo_copy: ServingCopy) -> None:
    """Each recommendable product is in a top ten, in lists behind it, or in no list."""
    kinds: list[ExposureKind] = ["shown_most", "below_top_10", "never_shown"]
    ids = [id_ for kind in kinds for id_ in product_queries.list_products_by_exposure(demo_copy, kind)["product_id"]]
    assert (
        len(ids) == len(set(ids)) == sum(product_queries.count_products_by_exposure(demo_copy, kind) for kind in kinds)
    )
    rows = demo_copy.query_frame("select product_id from rec_product_exposure where is_recommendable")
    assert set(rows["product_id"]) <= set(ids)


def test_products_category_shares(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    """The share in any list is the coverage of the page Quality."""
    app = open_app("products", products_section=SECTION, exposure="Categories")
    shares = get_table(app, "facet_value").set_index("facet_value")["list_coverage"]
    coverage = demo_copy.get_coverage()
    expected = coverage[coverage["segment"] == "category"].set_index("segment_value")["coverage"]
    assert dict(shares) == pytest.approx({name: 100 * share for name, share in expected.items()})


def test_products_stale_and_without_price(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    product_id = str(get_most_shown(demo_copy)["product_id"])
    change_product(writable_warehouse, published_tables, product_id, stale_reason="no action for 90 days", price="0")
    for label in ("Stale", "Without a price"):
        app = open_app("products", writable_warehouse, **make_list_params(label))
        assert not app.exception
        assert product_id in set(get_table(app, "stale_reason")["product_id"])


def test_products_page_of_earlier_copy(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    publish(writable_warehouse, [table for table in published_tables if not table.startswith("rec_product_e")])
    app = open_app("products", writable_warehouse)
    assert "earlier version" in app.warning[0].value


def test_picture_needs_setting_and_https(
    open_app: OpenApp,
    writable_warehouse: Settings,
    published_tables: list[str],
    demo_copy: ServingCopy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    product_id = str(get_most_shown(demo_copy)["product_id"])
    picture = "https://cdn.shop.example/mug.png"
    change_product(writable_warehouse, published_tables, product_id, image_url=picture)

    def get_image() -> str:
        app = open_app("products", writable_warehouse, product=product_id)
        return str(app.get("image")[0].value[0])

    assert "shop.example" not in get_image()
    monkeypatch.setenv("RECOMART_APP_SHOW_IMAGES", "true")
    assert get_image() == picture


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "javascript:alert(1)",
        "https://user@evil.example/",
        'https://shop.example/"onload=',
        "https://shop.example/ b",
        "https://" + "a" * 2000,
        "HTTPS://shop.example\n",
        None,
    ],
)
def test_unsafe_url_is_refused(url: str | None) -> None:
    assert not product_links.is_safe_url(url)
    assert product_links.is_safe_url("https://shop.example/products/p1?a=%20&b=1#x")


def test_image_policy_follows_setting() -> None:
    closed = build_security_headers(is_image_allowed=False)["Content-Security-Policy"]
    opened = build_security_headers(is_image_allowed=True)["Content-Security-Policy"]
    assert "https:" not in closed
    assert "img-src 'self' https: data: blob:" in opened
    assert opened.replace(" https:", "") == closed
