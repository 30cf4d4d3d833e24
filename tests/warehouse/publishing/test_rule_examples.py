"""Example lists of a preview, compared with the published lists."""

from warehouse.publishing.product_queries import search_products
from warehouse.publishing.rule_examples import list_examples
from warehouse.publishing.rule_preview import PREVIEW_DEPTH, preview_rule
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.settings import Settings


def test_examples_are_lists_that_change(demo_warehouse: Settings) -> None:
    with ServingCopy(demo_warehouse) as copy:
        product = search_products(copy, "", 1).iloc[0]
        preview = preview_rule(copy, Rule(kind="block", scope="product", value=product["product_id"]))
        examples = list_examples(copy, preview, 2)
        assert preview.changed_count >= 2
        assert examples["list_name"].nunique() == 2
        for user_id, rows in examples.groupby("list_name"):
            published = copy.get_recommendations(str(user_id), PREVIEW_DEPTH)
            assert rows["before"].tolist() == published["product_name"].tolist()
            assert product["product_name"] in set(rows["before"])
            assert product["product_name"] not in set(rows["after"])


def test_rule_without_effect_has_no_examples(demo_warehouse: Settings) -> None:
    with ServingCopy(demo_warehouse) as copy:
        rows = copy.query_frame(
            "select product_id from dim_products where product_id not in (select product_id from rec_top_n) limit 1"
        )
        preview = preview_rule(copy, Rule(kind="block", scope="product", value=rows["product_id"].iloc[0]))
        assert preview.changed_count == 0
        assert list_examples(copy, preview).empty
