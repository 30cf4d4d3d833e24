"""The view What changed of the page of the customers."""

import duckdb

from apps.merchandiser.markdown import escape_markdown
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.app_contents import get_table, list_customer_ids
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

VIEW = {"view": "What changed"}


def test_gone_product_has_reason(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    """One product is blocked after the publication, one is not available, and one left the list."""
    user_id = list_customer_ids(demo_copy)[0]
    blocked, unavailable, other = demo_copy.get_recommendations(user_id, 3)["product_id"]
    publish(writable_warehouse, published_tables)
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("delete from marts.rec_top_n where product_id in (?, ?)", [unavailable, other])
        connection.execute(
            "update marts.rec_product_rules set is_recommendable = false, exclusion_reason = 'not available' "
            "where product_id = ?",
            [unavailable],
        )
    publish(writable_warehouse, published_tables)
    rule = Rule(kind="block", scope="product", value=blocked, reason="recall")
    (stored,) = RuleStore(writable_warehouse).add([rule], "ann", "recall")
    app = open_app("customers", writable_warehouse, customer=user_id, **VIEW)
    assert not app.exception
    changes = get_table(app, "change").set_index("product_id")["change"]
    assert changes[blocked] == f"Gone: blocked by rule {stored.rule_id}"
    assert changes[unavailable] == "Gone: not available"
    assert changes[other] == "Gone"


def test_changed_rules_and_model_are_named(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    user_id = list_customer_ids(demo_copy)[0]

    def read_captions() -> list[str]:
        app = open_app("customers", writable_warehouse, customer=user_id, **VIEW)
        assert not app.exception
        return [element.value for element in app.caption]

    publish(writable_warehouse, published_tables)
    publish(writable_warehouse, published_tables)
    assert any("What changed comes from newer data" in caption for caption in read_captions())
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute(
            "insert into marts.rec_active_rules by name "
            "select 'r1' as rule_id, 1 as change_number, 'boost' as kind, 'brand' as scope, '[]' as placements, "
            "'more sales' as reason, current_date as active_on"
        )
        connection.execute("update marts.rec_top_n set run_id = 'another'")
    publish(writable_warehouse, published_tables)
    text = "What differs from the earlier version: rules added or changed: r1; model: another one."
    assert escape_markdown(text) in read_captions()


def test_customer_without_list_has_message(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str], demo_copy: ServingCopy
) -> None:
    user_id = list_customer_ids(demo_copy)[0]
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("delete from marts.rec_top_n where user_id = ?", [user_id])
    publish(writable_warehouse, published_tables)
    publish(writable_warehouse, published_tables)
    app = open_app("customers", writable_warehouse, customer=user_id, **VIEW)
    assert not app.exception
    assert app.info[0].value == "The customer has no list, neither in this version nor in the earlier one."
    assert not any("0 new" in element.value for element in app.markdown)
