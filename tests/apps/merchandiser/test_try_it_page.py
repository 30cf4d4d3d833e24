"""The page Try it compared with the lists of the placements."""

import re
import shutil
from collections.abc import Iterator

import duckdb
import pytest
from streamlit.testing.v1 import AppTest

from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.placements.basket_picker import MAX_BASKET_PRODUCTS
from apps.merchandiser.placements.placement_view import MIXED_ORDER_TEXT
from apps.recommendations.recommendation_queries import RecommendationQueries
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.app_contents import PUBLISHED_HOSTILE_TEXTS, get_table
from tests.apps.merchandiser.test_products_page import change_product
from warehouse.publishing.placement_queries import get_placement, list_categories, list_placements
from warehouse.publishing.product_queries import search_products
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

TABLE_VIEW = "Table"


@pytest.fixture
def demo_queries(demo_warehouse: Settings) -> Iterator[RecommendationQueries]:
    """The queries over the demo shop."""
    with RecommendationQueries(demo_warehouse) as queries:
        yield queries


def show_product_ids(app: AppTest) -> list[str]:
    """Switch to the table and return its products."""
    assert not app.exception
    app.segmented_control(key="placement_view").set_value(TABLE_VIEW).run()
    assert not app.exception
    return list(get_table(app, "reason")["product_id"])


def find_owner(copy: ServingCopy, placement: str, column: str) -> str:
    """Return the customer or product of a published list of a placement."""
    rows = copy.query_frame(
        f"select {column} as owner from rec_placement_lists where placement = ? order by rank desc, owner limit 1",
        placement,
    )
    return str(rows["owner"].iloc[0])


def list_product_ids(copy: ServingCopy, count: int) -> list[str]:
    """Return the products that are shown most."""
    return list(search_products(copy, "", count)["product_id"])


def read_texts(app: AppTest) -> str:
    """Return the captions and messages of the page."""
    return "\n".join(element.value for element in [*app.caption, *app.info, *app.warning])


def test_try_it_starts_with_home(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app("try_it")
    assert not app.exception
    choice = app.selectbox(key="placement_choice")
    assert choice.options == [placement.title for placement in list_placements(demo_copy)]
    assert (choice.options[0], choice.options[-1]) == ("Home page", "Recently viewed")
    assert choice.value == "home"
    user_id = str(demo_copy.search_customers(limit=1)["user_id"].iloc[0])
    app.button(key=f"choose_{user_id}").click().run()
    assert app.query_params["customer"] == user_id
    assert show_product_ids(app) == list(demo_copy.get_recommendations(user_id, 50)["product_id"])


@pytest.mark.parametrize("name", ["home", "email", "recently_viewed"])
def test_try_it_list_of_customer(
    open_app: OpenApp, demo_copy: ServingCopy, demo_queries: RecommendationQueries, name: str
) -> None:
    user_id = find_owner(demo_copy, name if name != "home" else "email", "user_id")
    app = open_app("try_it", placement=name, customer=user_id)
    placement = get_placement(demo_copy, name)
    result = demo_queries.recommend_for_placement(placement, placement.list_length, user_id=user_id)
    assert show_product_ids(app) == list(result.recommendations["product_id"])
    assert list(get_table(app, "reason")["reason"]) == list(result.recommendations["reason"])
    assert placement.title.replace("-", "\\-") in app.subheader[1].value
    assert user_id in app.subheader[1].value


def test_try_it_list_of_product(open_app: OpenApp, demo_copy: ServingCopy, demo_queries: RecommendationQueries) -> None:
    product_id = find_owner(demo_copy, "product_page", "list_product_id")
    app = open_app("try_it", placement="product_page")
    app.text_input(key="product_search").set_value(product_id).run()
    assert app.query_params["product"] == product_id
    placement = get_placement(demo_copy, "product_page")
    result = demo_queries.recommend_for_placement(placement, 12, product_id=product_id)
    assert show_product_ids(app) == list(result.recommendations["product_id"])


@pytest.mark.parametrize("name", ["new_arrivals", "popular_in_category"])
def test_try_it_list_of_category(open_app: OpenApp, demo_copy: ServingCopy, name: str) -> None:
    categories = list_categories(demo_copy, name)
    app = open_app("try_it", placement=name)
    app.selectbox(key="category_choice").set_value(len(categories) - 1).run()
    assert app.query_params["category"] == categories[-1]
    heading = "New arrivals" if name == "new_arrivals" else "Popular products"
    assert app.subheader[1].value == f"{heading} in {categories[-1]}"
    rows = demo_copy.query_frame(
        "select product_id from rec_placement_lists where placement = ? and list_category = ? and rule_profile = ? "
        "order by rank",
        name,
        categories[-1],
        demo_copy.get_rule_profile(name),
    )
    assert show_product_ids(app) == list(rows["product_id"])


def test_try_it_list_of_favourite_category(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    customer = demo_copy.query_frame("from dim_users where favourite_category is not null order by user_id limit 1")
    app = open_app(
        "try_it",
        placement="popular_in_category",
        list_of="A customer's favourite category",
        customer=str(customer["user_id"].iloc[0]),
    )
    category = customer["favourite_category"].iloc[0]
    assert app.subheader[1].value == f"Popular products in {category} for customer {customer['user_id'].iloc[0]}"
    assert f"The customer's favourite category is {category}." in read_texts(app)
    assert show_product_ids(app)
    assert set(get_table(app, "reason")["category"]) == {category}


def test_try_it_basket_by_names(open_app: OpenApp, demo_copy: ServingCopy, demo_queries: RecommendationQueries) -> None:
    """Products are added by name, removed and cleared; the address has the basket."""
    first, second = list_product_ids(demo_copy, 2)
    names = demo_copy.get_products([first]).set_index("product_id")["product_name"]
    app = open_app("try_it", placement="basket")
    app.text_input(key="basket_search").set_value(" ".join(reversed(names[first].lower().split()))).run()
    app.button(key=f"choose_product_{first}").click().run()
    assert app.text_input(key="basket_search").value == ""
    app.text_input(key="basket_search").set_value(second).run()
    app.button(key=f"choose_product_{second}").click().run()
    assert app.query_params["basket"] == [first, second]
    expected = demo_queries.recommend_for_basket([first, second], 12).recommendations
    assert show_product_ids(app) == list(expected["product_id"])
    assert list(get_table(app, "reason")["reason"]) == list(expected["reason"])
    assert MIXED_ORDER_TEXT in [caption.value for caption in app.caption]

    app.button(key=f"remove_{first}").click().run()
    assert app.query_params["basket"] == second
    app.button(key="clear_basket").click().run()
    assert "basket" not in app.query_params or not app.query_params["basket"]
    assert not app.dataframe


def test_try_it_basket_of_unknown_products(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    known = list_product_ids(demo_copy, 1)[0]
    app = open_app("try_it", placement="basket", basket=[known, "<b>none</b>"])
    assert "has no product" in app.warning[0].value
    assert "<b>" not in read_texts(app)
    assert show_product_ids(app)
    app = open_app("try_it", placement="basket", basket=["none"])
    assert "popular products are recommended instead" in read_texts(app)
    assert MIXED_ORDER_TEXT not in [caption.value for caption in app.caption]
    assert show_product_ids(app)


def test_try_it_basket_has_maximum(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    products = list_product_ids(demo_copy, MAX_BASKET_PRODUCTS + 3)
    app = open_app("try_it", placement="basket", basket=products)
    assert "leaves out the last 3" in app.warning[0].value
    assert show_product_ids(app)


@pytest.mark.parametrize(
    "params",
    [
        {"placement": "<i>none</i>"},
        {"placement": "home", "customer": "<i>none</i>"},
        {"placement": "product_page", "product": "<i>none</i>"},
        {"placement": "new_arrivals", "category": "<i>none</i>"},
        {"placement": "buy_again", "customer": "<i>none</i>" * 50},
    ],
)
def test_try_it_unknown_id_has_message(open_app: OpenApp, params: dict[str, str]) -> None:
    app = open_app("try_it", **params)
    assert not app.exception
    (warning,) = app.warning
    assert "no" in warning.value
    assert "<i>" not in warning.value
    assert not app.dataframe


def test_try_it_empty_list_is_explained(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    rows = demo_copy.query_frame(
        "select user_id from dim_users where user_id not in "
        "(select user_id from rec_placement_lists where placement = 'buy_again') order by user_id limit 1"
    )
    app = open_app("try_it", placement="buy_again", customer=str(rows["user_id"].iloc[0]))
    assert not app.exception
    assert app.info[0].value.startswith("The shop shows no list here. ")
    assert "purchase" in app.info[0].value
    assert not any("allow no more" in caption.value for caption in app.caption)


def test_try_it_fallback_names_control_group(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    """Popular products do not take the place of the empty list of a control customer."""
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute(
            "insert into marts.rec_experiments by name select 'lists' as experiment, 'control' as arm, "
            "'none' as policy, 0.5 as share, date '2026-01-01' as starts_on, date '2026-01-01' as active_on"
        )
    publish(writable_warehouse, published_tables)
    assert "except for customers to whom the experiment gives no" in read_texts(open_app("try_it", writable_warehouse))
    assert "take the place of an empty list" in read_texts(open_app("try_it"))
    assert "except for customers" not in read_texts(open_app("try_it"))


def test_try_it_without_model(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    """The basket says what is missing, and the published lists are shown."""
    publish(writable_warehouse, published_tables)
    shutil.rmtree(writable_warehouse.models_dir, ignore_errors=True)
    product_id = find_owner(demo_copy, "product_page", "list_product_id")
    app = open_app("try_it", writable_warehouse, placement="basket", basket=[product_id])
    assert not app.exception
    assert "a model ranks it" in app.warning[0].value
    assert "Home page, Buy again" in read_texts(app).replace("\\", "")
    assert show_product_ids(open_app("try_it", writable_warehouse, placement="product_page", product=product_id))


@pytest.mark.parametrize("text", PUBLISHED_HOSTILE_TEXTS)
def test_try_it_hostile_name_is_text(
    open_app: OpenApp,
    writable_warehouse: Settings,
    published_tables: list[str],
    demo_copy: ServingCopy,
    demo_warehouse: Settings,
    text: str,
) -> None:
    product_id = find_owner(demo_copy, "product_page", "list_product_id")
    change_product(writable_warehouse, published_tables, product_id, product_name=text)
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("update marts.rec_placement_lists set product_name = $1, category = $1, reason = $1", [text])
    publish(writable_warehouse, published_tables)
    shutil.copytree(demo_warehouse.models_dir, writable_warehouse.models_dir)
    for params in ({"placement": "product_page", "product": product_id}, {"placement": "basket", "basket": product_id}):
        app = open_app("try_it", writable_warehouse, **params)
        assert not app.exception
        texts = [element.value for element in [*app.markdown, *app.caption, *app.subheader]]
        texts += [button.label for button in app.button]
        assert not any(re.search(r"(?<!\\)(<img|\[link|\*\*bold|:red)", shown) for shown in texts)
        assert any(escape_markdown(text[:20]) in shown for shown in texts)
        assert show_product_ids(app)


def test_try_it_own_placement_and_rules(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    """A placement without a title has its name, and the live rules of a placement are there in words."""
    user_id = find_owner(demo_copy, "email", "user_id")
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute(
            "insert into marts.rec_placements by name "
            "select 'thank_you' as placement, 'home' as list_kind, 3 as list_length"
        )
        connection.execute("update marts.rec_placement_lists set placement = 'thank_you' where placement = 'email'")
        connection.execute(
            """
            insert into marts.rec_active_rules by name
            select
                unnest(['r1', 'r2']) as rule_id, 1 as change_number, 'boost' as kind, 'brand' as scope,
                unnest(['*larkmead*', 'elmsund']) as value, 2.0 as factor, date '2026-01-01' as active_on,
                unnest(['["thank_you"]', '["home"]']) as placements, 'campaign' as reason
            """
        )
    publish(writable_warehouse, published_tables)
    app = open_app("try_it", writable_warehouse, placement="thank_you", customer=user_id)
    assert app.selectbox(key="placement_choice").options[-1] == "thank_you"
    assert app.subheader[1].value.startswith(escape_markdown("thank_you"))
    (expander,) = app.expander
    assert expander.label == "1 rule of this placement"
    assert escape_markdown("Boost by factor 2 brand *larkmead* · placements thank_you · campaign") in (
        expander.markdown[0].value
    )
    assert show_product_ids(app)


def test_try_it_placements_of_earlier_copy(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    publish(writable_warehouse, [table for table in published_tables if not table.startswith("rec_placement")])
    user_id = str(demo_copy.search_customers(limit=1)["user_id"].iloc[0])
    app = open_app("try_it", writable_warehouse, customer=user_id)
    assert app.selectbox(key="placement_choice").options == ["Home page", "Product page", "Basket"]
    assert show_product_ids(app)


def test_try_it_pictures_need_setting(
    open_app: OpenApp, demo_copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = find_owner(demo_copy, "email", "user_id")
    assert not open_app("try_it", placement="email", customer=user_id).get("image")
    monkeypatch.setenv("RECOMART_APP_SHOW_IMAGES", "true")
    app = open_app("try_it", placement="email", customer=user_id)
    assert len(app.get("image")) == len(
        demo_copy.query_frame("from rec_placement_lists where placement = 'email' and user_id = ?", user_id)
    )
    assert show_product_ids(app)


def test_try_it_copy_without_titles(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    """A copy of an earlier version has the names of the placements."""
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("alter table marts.rec_placements drop column title")
    publish(writable_warehouse, published_tables)
    names = sorted(placement.placement for placement in list_placements(demo_copy) if placement.placement != "home")
    app = open_app("try_it", writable_warehouse)
    assert not app.exception
    assert app.selectbox(key="placement_choice").options == ["home", *names]
