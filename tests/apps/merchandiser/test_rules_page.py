"""The page of the merchandising rules: states, the form, the preview, and changes by persons."""

import os
import time
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.rules.list_build import get_list_build
from tests.apps.conftest import OpenApp
from tests.apps.merchandiser.app_contents import HOSTILE_TEXTS, get_table
from tests.apps.merchandiser.conftest import OpenEditor
from warehouse.locks import exclusive_lock
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore, get_today
from warehouse.settings import Settings

NEW_RULE = {"rules_section": "Add a rule"}
BOOST = Rule(kind="boost", scope="category", value="groceries", factor=2, reason="campaign")


def list_keys(app: AppTest) -> set[str]:
    """Return the keys of the buttons."""
    return {str(button.key) for button in app.button}


def change(app: AppTest, rule_id: str, action: str, reason: str) -> None:
    """Press a button of the opened rule, with a reason."""
    (field,) = (field for field in app.text_input if str(field.key).startswith("rule_reason_"))
    field.set_value(reason)
    app.button(key=f"rule_{action}_{rule_id}").click().run()
    assert not app.exception


def test_no_rules_and_read_only(open_app: OpenApp) -> None:
    app = open_app("rules")
    assert not app.exception
    assert "Read-only" in app.caption[0].value
    assert "no rules yet" in app.info[0].value
    assert list_keys(app) == set()
    form = open_app("rules", **NEW_RULE)
    assert list_keys(form) == {"rule_preview"}
    assert not [field for field in form.text_input if field.key == "user_name"]
    history = open_app("rules", rules_section="History")
    assert "no changes yet" in history.info[0].value


def test_read_only_shows_rules(open_app: OpenApp, shop: Settings, store: RuleStore) -> None:
    store.add([BOOST], "ann", "campaign")
    app = open_app("rules", shop, rule="r1")
    assert not app.exception
    assert list_keys(app) == set()
    assert get_table(app, "effect")["state"].tolist() == ["Waiting"]
    assert get_table(app, "before")["user"].tolist() == ["ann"]


def test_draft_is_submitted_stopped_and_undone(open_editor: OpenEditor, store: RuleStore) -> None:
    store.add([BOOST.model_copy(update={"is_draft": True})], "bob", "idea")
    app = open_editor()
    assert get_table(app, "effect")["note"].tolist() == ["waits to be submitted"]
    app.selectbox(key="rule_id").select("r1").run()
    assert app.query_params["rule"] == "r1"
    change(app, "r1", "submit", "agreed")
    assert "It takes effect with the next lists" in app.success[0].value
    assert "do not follow 1 changed rule yet: r1" in app.warning[0].value.replace("\\", "")
    change(app, "r1", "stop", "too early")
    assert store.read_rules()["r1"].rule.is_stopped
    assert "rule_stop_r1" not in list_keys(app)
    assert "“Build the lists now”" not in app.success[0].value
    change(app, "r1", "undo", "not too early")
    assert "“Build the lists now” puts it into the lists" in app.success[0].value
    assert not store.read_rules()["r1"].rule.is_stopped
    history = get_table(app, "before")
    assert history["action"].tolist() == ["undo", "stop", "submit", "add"]
    assert history["why"].tolist() == ["not too early", "too early", "agreed", "idea"]
    assert history["after"].iloc[1].endswith("(stopped)")


def test_change_needs_one_click(open_editor: OpenEditor, store: RuleStore) -> None:
    """Without a typed reason, the history has the button and the rule."""
    store.add([BOOST.model_copy(update={"is_draft": True})], "bob", "idea")
    app = open_editor(rule="r1")
    for action in ("submit", "stop", "undo", "undo"):
        app.button(key=f"rule_{action}_r1").click().run()
        assert not app.exception
        assert not app.error
    rule = "boost by factor 2 category groceries"
    assert [entry.why for entry in store.read_history("r1")] == [
        "idea", f"Submit: {rule}", f"Stop: {rule}", f"Undo the stop by ann: {rule}", f"Undo the undo by ann: {rule}",
    ]  # fmt: skip


def test_name_begins_with_account(
    open_app: OpenApp, shop: Settings, store: RuleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app that other machines reach through a proxy does not know the person."""
    monkeypatch.setenv("RECOMART_APP_CAN_EDIT", "true")
    monkeypatch.setenv("LOGNAME", "carol")
    store.add([BOOST], "ann", "campaign")
    app = open_app("rules", shop, rule="r1")
    assert app.text_input(key="user_name").value == "carol"
    app.button(key="rule_stop_r1").click().run()
    assert store.read_rules()["r1"].change.user == "carol"
    monkeypatch.setenv("RECOMART_APP_WITHOUT_LOGIN", "true")
    assert open_app("rules", shop).text_input(key="user_name").value == ""


def test_removed_rule_is_restored(open_editor: OpenEditor, store: RuleStore) -> None:
    store.add([BOOST], "bob", "idea")
    app = open_editor(rule="r1")
    change(app, "r1", "undo", "mistake")
    assert store.read_rules() == {}
    app.pills(key="rule_states").set_value(["removed"]).run()
    assert get_table(app, "effect")["state"].tolist() == ["Removed"]
    change(app, "r1", "undo", "no mistake")
    assert store.read_rules()["r1"].rule == BOOST


def test_stale_page_changes_nothing(open_editor: OpenEditor, store: RuleStore) -> None:
    """Two persons have a rule open; the second one gets a message about the change of the first one."""
    store.add([BOOST], "bob", "idea")
    first, second = open_editor("ann", rule="r1"), open_editor("eve", rule="r1")
    change(first, "r1", "stop", "enough")
    change(second, "r1", "undo", "mistake")
    assert "rule r1 not changed: ann changed it at" in second.error[0].value.replace("\\", "")
    assert [stored.change.user for stored in store.read_rules().values()] == ["ann"]


def test_block_acts_at_once_in_app(
    open_app: OpenApp, open_editor: OpenEditor, shop: Settings, demo_copy: ServingCopy
) -> None:
    """The lists of customers and of new customers, and the reason of the absence, follow a new block."""
    user_id = str(demo_copy.search_customers(limit=1)["user_id"].iloc[0])
    published = demo_copy.get_recommendations(user_id, 11)["product_id"].tolist()
    popular = demo_copy.get_popular_products(11)["product_id"].tolist()
    app = open_editor(**NEW_RULE)
    for number, product_id in enumerate(dict.fromkeys([published[0], popular[0]])):
        app.text_input(key=f"rule_form_{number}_product_search").set_value(product_id).run()
        app.text_input(key=f"rule_form_{number}_reason").set_value("recalled").run()
        app.button(key="rule_submit").click().run()
        assert "takes effect at once" in app.success[0].value
    blocked = {published[0], popular[0]}
    customers = open_app("customers", shop, customer=user_id)
    expected = [product for product in published if product not in blocked]
    table = get_table(customers, "reason")
    assert table["product_id"].tolist()[:9] == expected[:9]
    assert table["rank"].tolist() == list(range(1, 11))
    new_customers = get_table(open_app("customers", shop, section="New customers"), "reason")
    assert not blocked & set(new_customers["product_id"])
    absence = open_app("customers", shop, customer=user_id, view="Why not?")
    absence.text_input(key="absent_product_search").set_value(published[0]).run()
    assert any("blocks it now" in element.value for element in absence.markdown)
    product = open_app("products", shop, product=published[0])
    assert "blocks it now" in product.warning[0].value
    (rule_id,) = (
        stored.rule_id for stored in RuleStore(shop).read_rules().values() if stored.rule.value == published[0]
    )
    assert f"Rule {rule_id}, last changed by " in product.warning[0].value
    assert f"rule={rule_id}" in [link.proto.query_string for link in product.get("page_link")]


def test_states_are_filtered(open_editor: OpenEditor, store: RuleStore) -> None:
    today = get_today()
    store.add(
        [
            BOOST,
            BOOST.model_copy(update={"is_draft": True}),
            BOOST.model_copy(update={"valid_from": today + timedelta(days=3)}),
            BOOST.model_copy(update={"valid_until": today}),
            Rule(kind="block", scope="product", value="p1"),
        ],
        "ann",
        "test",
    )
    app = open_editor()
    table = get_table(app, "effect")
    assert dict(zip(table["rule"], table["state"], strict=True)) == {
        "r1": "Waiting", "r2": "Draft", "r3": "Waiting", "r5": "Live",
    }  # fmt: skip
    app.pills(key="rule_states").set_value(["ended"]).run()
    assert get_table(app, "effect")["rule"].tolist() == ["r4"]
    assert app.selectbox(key="rule_id").options[0].startswith("r4: ")


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_texts_are_shown_as_text(
    open_editor: OpenEditor, open_app: OpenApp, shop: Settings, store: RuleStore, text: str
) -> None:
    """A brand, a reason and the names of persons, in the table, the details, the history and the Today page."""
    store.add([Rule(kind="block", scope="brand", value=text, reason=text)], text, text)
    app = open_editor(text[:100], rule="r1")
    assert not app.exception
    table = get_table(app, "effect")
    assert table["reason"].tolist() == [text]
    assert table["changed_by"].tolist() == [text]
    assert escape_markdown(text[:60]) in app.markdown[0].value
    assert f"Reason: {escape_markdown(text[:60])}" in app.caption[1].value
    assert "<" not in app.button(key="rule_undo_r1").label.replace("\\<", "")
    change(app, "r1", "stop", text)
    assert get_table(app, "before")["why"].tolist() == [text, text]
    linked = open_app("rules", shop, rule=text)
    assert not linked.exception
    assert escape_markdown(text[:30]) in linked.warning[0].value
    search = open_editor(**NEW_RULE)
    search.text_input(key="rule_form_0_product_search").set_value(text).run()
    assert not search.exception
    assert escape_markdown(text[:30]) in search.info[0].value


def test_damaged_store_is_named(open_app: OpenApp, shop: Settings) -> None:
    shop.rules_file.write_text("x\n", encoding="utf-8")
    app = open_app("rules", shop)
    assert not app.exception
    assert "is not a change" in app.warning[0].value
    today = open_app("today", shop)
    assert not today.exception
    assert any("is not a change" in element.value for element in today.markdown)


def test_undeclared_placement_is_named(open_app: OpenApp, shop: Settings, store: RuleStore) -> None:
    """A rule can name a placement that was removed after the rule was added."""
    rule = BOOST.model_copy(update={"placements": ("home", "checkout")})
    store.add([rule, rule.model_copy(update={"valid_until": get_today()})], "ann", "campaign")
    app = open_app("rules", shop)
    assert not app.exception
    (warning,) = (box.value for box in app.warning if "placement" in box.value)
    assert "Rule r1: there is no placement checkout" in warning.replace("\\", "")


def test_today_has_line_of_rules(open_app: OpenApp, shop: Settings, store: RuleStore) -> None:
    first_day = get_today() + timedelta(days=3)
    store.add([BOOST, BOOST.model_copy(update={"valid_from": first_day})], "ann", "test")
    app = open_app("today", shop)
    assert not app.exception
    text = escape_markdown(
        f"Rules: 2 waiting; r2 starts on {first_day}. The published lists do not follow 1 changed rule"
    )
    assert any(text in element.value for element in app.markdown)


def test_failed_build_is_explained(open_editor: OpenEditor, shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app shows in words that another run keeps the warehouse busy, and the lists of before stay."""
    monkeypatch.setenv("RECOMART_WAIT_SECONDS", "0")
    app = open_editor()
    with exclusive_lock(shop.dbt_target_dir / "building.lock", "dbt build", 5):
        app.button(key="build_lists").click().run()
        assert app.button(key="build_lists").disabled
        deadline = time.monotonic() + 30
        while not app.error:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            app.run()
    assert not app.exception
    message = app.error[0].value.replace("\\", "")
    assert "Another run of RecoMart uses the warehouse, since 20" in message
    assert "Wait until it has finished" in message
    assert f"process {os.getpid()}" not in message
    assert str(shop.warehouse) not in message
    assert not app.button(key="build_lists").disabled


def test_build_needs_name(open_editor: OpenEditor) -> None:
    app = open_editor("")
    app.button(key="build_lists").click().run()
    assert "Your name" in app.error[0].value


@pytest.mark.slow
def test_build_publishes_lists(open_app: OpenApp, own_shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows the progress, the result, and the rule as live."""
    monkeypatch.setenv("RECOMART_APP_CAN_EDIT", "true")
    RuleStore(own_shop).add([BOOST], "ann", "campaign")
    app = open_app("rules", own_shop)
    app.text_input(key="user_name").set_value("ann").run()
    app.button(key="build_lists").click().run()
    build = get_list_build(own_shop)
    shares = []
    while (status := build.read_status()) is not None and status.is_running:
        shares.append(status.done_share)
        # One build at a time runs.
        assert not build.start("bob")
        time.sleep(0.2)
    assert any(0 < share < 1 for share in shares)
    assert shares == sorted(shares)
    app.run()
    assert not app.exception
    assert "The lists by the rules are live" in app.success[0].value
    assert get_table(app, "effect")["state"].tolist() == ["Live"]
