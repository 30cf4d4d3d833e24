"""Rows and sentences about rules, their changes, and when the lists follow them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from warehouse.errors import RecomartError
from warehouse.rules.rule import Rule, RuleFieldError, list_selections, parse_rule
from warehouse.rules.rule_overview import describe_changes, describe_rules, summarize_awaited, summarize_rules
from warehouse.rules.rule_states import get_rule_state
from warehouse.rules.rule_store import RuleStore, StoredRule, get_today
from warehouse.settings import Settings

TODAY = get_today()
BOOST = Rule(kind="boost", scope="brand", value="acme", factor=2)
BLOCK = Rule(kind="block", scope="brand", value="acme")


@pytest.fixture
def store(tmp_path: Path) -> RuleStore:
    return RuleStore(Settings(warehouse=tmp_path))


def test_changes_name_differences(store: RuleStore) -> None:
    store.add([BOOST.model_copy(update={"is_draft": True})], "ann")
    store.submit("r1", "ann")
    store.stop("r1", "bob", "enough")
    rows = describe_changes(store.read_history())
    text = "boost by factor 2 brand acme"
    assert [(row["before"], row["after"]) for row in rows] == [
        (None, text),
        (f"{text} (a draft)", f"{text} (not a draft)"),
        (f"{text} (not stopped)", f"{text} (stopped)"),
    ]
    assert (rows[2]["user"], rows[2]["why"]) == ("bob", "enough")


def test_removed_rule_has_its_own_state(store: RuleStore) -> None:
    store.add([BOOST], "ann")
    store.undo("r1", "bob")
    (row,) = describe_rules(store.read_removed_rules().values(), {}, TODAY)
    assert (row["state"], row["note"]) == ("removed", "removed by bob; another undo restores it")


def test_summary_names_next_start_and_end(store: RuleStore) -> None:
    assert summarize_rules([], {}, TODAY) is None
    days = [TODAY + timedelta(days=number) for number in range(5)]
    store.add(
        [
            BOOST.model_copy(update={"valid_until": days[4]}),
            BOOST.model_copy(update={"valid_until": days[1]}),
            BOOST.model_copy(update={"valid_from": days[3]}),
            BOOST.model_copy(update={"valid_from": days[2]}),
            BOOST.model_copy(update={"is_draft": True, "valid_from": days[1]}),
        ],
        "ann",
    )
    summary = summarize_rules(list(store.read_rules().values()), {"r1": 1}, TODAY)
    assert summary == f"Rules: 1 live, 3 waiting, 1 draft; r4 starts on {days[2]}; r2 ends after {TODAY}."


def test_awaited_rules_include_removed_ones(store: RuleStore) -> None:
    """Changes that the published lists follow already, drafts, and rules of later days are not awaited."""
    later = TODAY + timedelta(days=2)
    fields = ({}, {}, {}, {"is_draft": True}, {"valid_from": later})
    store.add([BOOST.model_copy(update=update) for update in fields], "ann")
    store.undo("r1", "bob")
    store.undo("r2", "bob")
    awaited = summarize_awaited(store.read_all_rules(), {"r1": 1, "r3": 3}, TODAY)
    assert awaited == "The published lists do not follow 1 changed rule yet: r1. The next lists will."
    assert summarize_awaited(store.read_all_rules(), {"r3": 3}, TODAY) is None
    awaited = summarize_awaited(store.read_all_rules(), {"r4": 4}, TODAY)
    assert awaited == "The published lists do not follow 2 changed rules yet: r3, r4. The next lists will."


@pytest.mark.parametrize(
    ("rule", "fields", "applied_changes", "sentence"),
    [
        (BOOST, {}, {}, "It takes effect with the next lists"),
        (BOOST, {}, {"r1": 1}, "The published lists follow it."),
        (BOOST, {"is_draft": True}, {}, "A draft changes no list"),
        (BOOST, {"valid_from": TODAY + timedelta(days=2)}, {}, f"It takes effect on {TODAY + timedelta(days=2)}"),
        (BOOST, {"is_stopped": True}, {"r1": 1}, "The published lists still follow it"),
        (BOOST, {"is_stopped": True}, {}, "It has no effect on the lists."),
        (BLOCK, {}, {}, "It takes effect at once in the HTTP service and the app"),
        (BLOCK, {"placements": ("home",)}, {}, "It takes effect with the next lists"),
    ],
)
def test_effect_time_of_rule(
    store: RuleStore, rule: Rule, fields: dict[str, Any], applied_changes: dict[str, int], sentence: str
) -> None:
    stored: list[StoredRule] = store.add([rule.model_copy(update=fields)], "ann")
    assert get_rule_state(stored[0], applied_changes, TODAY).effect.startswith(sentence)


def test_selections_are_valid_rules() -> None:
    """A rule of each listed selection is accepted; one that is not listed is refused."""
    for scope, is_for_others in list_selections("cap"):
        value = None if is_for_others else "acme"
        assert parse_rule({"kind": "cap", "scope": scope, "value": value, "max_products": 3}, "x").value == value
    assert [scope for scope, is_for_others in list_selections("pin") if is_for_others] == []
    assert not [selection for selection in list_selections("repurchase") if selection.scope == "brand"]


def test_field_error_names_field() -> None:
    with pytest.raises(RuleFieldError) as raised:
        parse_rule({"kind": "boost", "scope": "brand", "value": "a", "factor": "high"}, "no rule added")
    assert isinstance(raised.value, RecomartError)
    assert (raised.value.field, raised.value.problem) == ("factor", "it must be a number")
    assert str(raised.value) == "no rule added: factor: it must be a number. Correct the rule"
