"""The form of a new rule: its fields, messages and preview."""

from datetime import date, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.rules.rule_labels import KIND_LABELS
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.conftest import OpenEditor
from warehouse.publishing.product_queries import search_products
from warehouse.publishing.published_rules import list_facet_values
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import KINDS_WITHOUT_PLACEMENTS, Rule, RuleKind, list_selections
from warehouse.rules.rule_store import RuleStore, get_today

NEW_RULE = {"rules_section": "Add a rule"}


def choose_kind(app: AppTest, kind: RuleKind, selection: int) -> None:
    """Choose the kind of a new rule and the number of its selection of products."""
    app.selectbox(key="rule_form_0_kind").select(kind).run()
    (box,) = (box for box in app.selectbox if str(box.key).startswith("rule_form_0_selection"))
    box.select_index(selection).run()


def fill_fields(app: AppTest, copy: ServingCopy) -> None:
    """Fill all fields of the products and numbers that the form shows."""
    values = {"position": "2", "factor": "2,5", "every": "3", "max_products": "4", "after_days": "30"}
    values["max_impressions"] = "5"
    values |= {"min_price": "1.5", "max_price": "20,75", "max_age_days": "30"}
    for field in app.text_input:
        name = str(field.key).removeprefix("rule_form_0_")
        if name in values:
            field.set_value(values[name])
    for name in ("brand", "category"):
        for box in app.selectbox:
            if box.key == f"rule_form_0_{name}":
                box.select_index(0)
    for field in app.text_input:
        if field.key == "rule_form_0_product_search":
            field.set_value(search_products(copy, "", 1)["product_id"].iloc[0])
    app.run()


@pytest.mark.parametrize(
    ("kind", "selection"), [(kind, number) for kind in KIND_LABELS for number in range(len(list_selections(kind)))]
)
def test_form_of_each_kind_submits_rule(
    open_editor: OpenEditor, store: RuleStore, demo_copy: ServingCopy, kind: RuleKind, selection: int
) -> None:
    app = open_editor(**NEW_RULE)
    choose_kind(app, kind, selection)
    fill_fields(app, demo_copy)
    app.button(key="rule_preview").click().run()
    assert not app.exception
    assert not app.error
    if kind in KINDS_WITHOUT_PLACEMENTS:
        assert "no preview" in app.info[0].value
    else:
        assert app.metric[0].label == "Lists that change"
    app.text_input(key="rule_form_0_reason").set_value("campaign").run()
    app.button(key="rule_submit").click().run()
    assert not app.exception
    (stored,) = store.read_rules().values()
    assert (stored.rule.kind, stored.rule.scope) == (kind, list_selections(kind)[selection].scope)
    assert (stored.change.user, stored.change.why, stored.rule.reason) == ("ann", "campaign", "campaign")
    assert stored.rule.factor in (None, 2.5)
    assert "Rule r1 is submitted" in app.success[0].value
    assert app.text_input(key="rule_form_1_reason").value == ""


@pytest.mark.parametrize(
    ("kind", "selection", "fields", "message"),
    [
        ("boost", 1, {"factor": "abc"}, "Factor: “abc” is not an amount. Write a number such as 12.50 or 12,50"),
        ("boost", 1, {"factor": "1,200"}, "Factor: “1,200” can mean 1200 or 1.2. Write 1200, or 1.2"),
        ("boost", 1, {"factor": "1"}, "Factor: it must be above 1. Correct the field"),
        ("boost", 1, {"factor": ""}, "Factor: a rule of kind boost needs it. Correct the field"),
        ("promote", 1, {"every": "2.5"}, "Every n-th place: it must be a whole number. Correct the field"),
        ("block", 3, {}, "Price from: a rule with scope price has min_price or max_price"),
        ("block", 3, {"min_price": "5", "max_price": "5"}, "Price below: it is not above min_price. Correct the field"),
        ("block", 4, {"max_age_days": "0"}, "First seen in the last (days): it must be at least 1. Correct the field"),
        ("block", 0, {}, "Product: it is missing. Choose one"),
    ],
)
def test_wrong_fields_are_named(
    open_editor: OpenEditor, store: RuleStore, kind: RuleKind, selection: int, fields: dict[str, str], message: str
) -> None:
    app = open_editor(**NEW_RULE)
    choose_kind(app, kind, selection)
    for box in app.selectbox:
        if box.key == "rule_form_0_brand":
            box.select_index(0)
    for name, text in fields.items():
        app.text_input(key=f"rule_form_0_{name}").set_value(text)
    assert not app.run().error
    for button in ("rule_preview", "rule_submit"):
        app.button(key=button).click().run()
        assert not app.exception
        assert escape_markdown(message) in app.error[0].value
    assert store.read_rules() == {}


def test_last_day_before_first_day_is_named(open_editor: OpenEditor, demo_copy: ServingCopy) -> None:
    app = open_editor(**NEW_RULE)
    choose_kind(app, "block", 1)
    fill_fields(app, demo_copy)
    app.segmented_control(key="rule_form_0_days").set_value("Other days").run()
    app.date_input(key="rule_form_0_first_day").set_value(date(2030, 1, 2))
    app.date_input(key="rule_form_0_last_day").set_value(date(2030, 1, 1))
    app.button(key="rule_preview").click().run()
    assert "it is before the first day" in app.error[0].value


def test_last_day_before_today_is_named(open_editor: OpenEditor, demo_copy: ServingCopy) -> None:
    app = open_editor(**NEW_RULE)
    choose_kind(app, "block", 1)
    fill_fields(app, demo_copy)
    app.segmented_control(key="rule_form_0_days").set_value("Other days").run()
    app.date_input(key="rule_form_0_last_day").set_value(date(2020, 1, 1))
    app.button(key="rule_preview").click().run()
    assert escape_markdown("2020-01-01 is before today") in app.error[0].value


@pytest.mark.parametrize(("choice", "day_count"), [("Until stopped", None), ("1 week", 7), ("2 weeks", 14)])
def test_length_sets_last_day(
    open_editor: OpenEditor, store: RuleStore, demo_copy: ServingCopy, choice: str, day_count: int | None
) -> None:
    """A week from today includes today."""
    app = open_editor(**NEW_RULE)
    choose_kind(app, "block", 1)
    fill_fields(app, demo_copy)
    assert not app.date_input
    app.segmented_control(key="rule_form_0_days").set_value(choice)
    app.text_input(key="rule_form_0_reason").set_value("campaign").run()
    app.button(key="rule_submit").click().run()
    (stored,) = store.read_rules().values()
    assert stored.rule.valid_from is None
    last_day = None if day_count is None else get_today() + timedelta(days=day_count - 1)
    assert stored.rule.last_day == last_day


def test_name_of_product_chooses_it(open_editor: OpenEditor, demo_copy: ServingCopy) -> None:
    """Also when other products have its name within theirs; a part of the name chooses none."""
    products = demo_copy.query_frame(
        """
        from dim_products as product
        where
            (select count(*) from dim_products where contains(lower(product_name), lower(product.product_name))) > 1
            and (select count(*) from dim_products where lower(product_name) = lower(product.product_name)) = 1
        """
    )
    product = products.iloc[0]
    app = open_editor(**NEW_RULE)
    for search, product_id in [(product["product_name"].upper(), product["product_id"]), ("a", None)]:
        app.text_input(key="rule_form_0_product_search").set_value(search).run()
        choice = app.selectbox(key=f"rule_form_0_product_of_{search}")
        assert choice.label.startswith(f"Product: {len(choice.options)} found")
        assert len(choice.options) > 1
        assert choice.value == product_id


@pytest.mark.parametrize("kind", ["block", "boost", "bury"])
def test_link_to_form_has_product(open_editor: OpenEditor, demo_copy: ServingCopy, kind: str) -> None:
    product_id = str(search_products(demo_copy, "", 1)["product_id"].iloc[0])
    app = open_editor(**NEW_RULE, rule_product=product_id, rule_kind=kind)
    assert not app.exception
    assert app.selectbox(key="rule_form_1_kind").value == kind
    assert app.selectbox(key=f"rule_form_1_product_of_{product_id}").value == product_id
    assert not {"rule_product", "rule_kind"} & set(app.query_params)
    app.button(key="rule_preview").click().run()
    assert not app.error


def test_link_to_form_has_brand(open_editor: OpenEditor, store: RuleStore, demo_copy: ServingCopy) -> None:
    """The factor has a default, so that only the reason is left to type."""
    brand = list_facet_values(demo_copy, "brand")[1]
    app = open_editor(**NEW_RULE, rule_brand=brand, rule_kind="boost")
    app.text_input(key="rule_form_1_reason").set_value("campaign").run()
    app.button(key="rule_submit").click().run()
    (stored,) = store.read_rules().values()
    assert (stored.rule.kind, stored.rule.scope, stored.rule.value) == ("boost", "brand", brand)
    assert stored.rule.factor == 2


@pytest.mark.parametrize(
    "params",
    [{"rule_kind": "<x>"}, {"rule_brand": "acmee"}, {"rule_kind": "cap", "rule_product": "p00001"}],
)
def test_wrong_link_to_form_is_named(open_app: OpenApp, params: dict[str, str]) -> None:
    app = open_app("rules", **NEW_RULE, **params)
    assert not app.exception
    assert escape_markdown(list(params.values())[-1]) in app.warning[0].value
    assert app.selectbox(key="rule_form_1_kind").value == "block"


def test_preview_shows_changes(open_editor: OpenEditor, store: RuleStore, demo_copy: ServingCopy) -> None:
    """A change of the form hides the preview, and nothing is saved without a name and a reason."""
    app = open_editor("", **NEW_RULE)
    product = search_products(demo_copy, "", 1).iloc[0]
    app.text_input(key="rule_form_0_product_search").set_value(str(product["product_id"])).run()
    app.button(key="rule_preview").click().run()
    assert not app.exception
    metrics = {metric.label: metric.value for metric in app.metric}
    assert int(metrics["Lists that change"].split(" of ")[0]) > 0
    assert metrics["Places after"] == "0.0%"
    assert "By the model's scores, the lists lose" in metrics
    tables = [table.value for table in app.dataframe]
    assert [list(table["product_id"]) for table in tables if "list_count" in table][1] == [product["product_id"]]
    (example,) = (table for table in tables if "before" in table)
    assert product["product_name"] in set(example["before"]) - set(example["after"])
    assert len(example) == 10
    app.button(key="rule_submit").click().run()
    assert "Your name" in app.error[0].value
    assert "Reason" in app.error[1].value
    assert store.read_rules() == {}
    choose_kind(app, "block", 4)
    app.text_input(key="rule_form_0_max_age_days").set_value("30").run()
    assert not app.metric
    assert any("Preview it again" in caption.value for caption in app.caption)


def test_notes_name_other_rules(open_editor: OpenEditor, store: RuleStore, demo_copy: ServingCopy) -> None:
    """The preview and the message after saving name a block of the product's brand."""
    product = demo_copy.query_frame("from dim_products where brand is not null order by product_id limit 1").iloc[0]
    store.add([Rule(kind="block", scope="brand", value=product["brand"])], "bob", "recalled")
    app = open_editor(**NEW_RULE, rule_kind="boost", rule_product=product["product_id"])
    app.text_input(key="rule_form_1_reason").set_value("campaign").run()
    note = "the product stays out of the lists."
    for button in ("rule_preview", "rule_submit"):
        app.button(key=button).click().run()
        assert not app.exception
        assert f"Rule r1 blocks brand {escape_markdown(product['brand'])}" in app.info[0].value
        assert note in app.info[0].value
    assert "Rule r2 is submitted" in app.success[0].value
    assert not any(note in info.value for info in app.run().info)


def test_contradicting_rule_is_refused(open_editor: OpenEditor, store: RuleStore, demo_copy: ServingCopy) -> None:
    store.add([Rule(kind="promote", scope="new", max_age_days=30, every=3)], "bob", "first")
    app = open_editor(**NEW_RULE)
    choose_kind(app, "promote", 4)
    fill_fields(app, demo_copy)
    app.text_input(key="rule_form_0_reason").set_value("second")
    app.button(key="rule_submit").click().run()
    assert "already have a promote rule" in app.error[0].value
    assert store.read_rules().keys() == {"r1"}
