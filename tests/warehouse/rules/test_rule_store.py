"""The rules store: rules are added, submitted, stopped and undone, and every change stays in the history."""

import multiprocessing
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from warehouse.errors import RecomartError
from warehouse.rules.rule import Rule, parse_rule
from warehouse.rules.rule_states import get_rule_state
from warehouse.rules.rule_store import RuleStore, get_today, parse_new_rule
from warehouse.settings import Settings

TODAY = get_today()
BOOST = Rule(kind="boost", scope="brand", value="Acme", factor=2, reason="campaign")
PROMOTION = Rule(kind="promote", scope="brand", value="Acme", every=3)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(warehouse=tmp_path)


@pytest.fixture
def store(settings: Settings) -> RuleStore:
    return RuleStore(settings)


def test_failed_write_changes_nothing(store: RuleStore, settings: Settings) -> None:
    store.add([BOOST], "ann")
    settings.rules_file.with_suffix(".tmp").mkdir()
    with pytest.raises(RecomartError, match=r"cannot be written: .*\. Nothing was changed"):
        store.add([PROMOTION, BOOST], "ann")
    assert list(store.read_rules()) == ["r1"]


def test_many_caps_are_added_quickly(store: RuleStore) -> None:
    """They are compared with the caps of the same brand only: pair by pair, this takes over 20 seconds."""
    caps = [Rule(kind="cap", scope="brand", value=f"b{number}", max_products=2) for number in range(6000)]
    started_at = time.monotonic()
    store.add(caps, "ann")
    assert time.monotonic() - started_at < 10
    with pytest.raises(RecomartError, match=r"already have a cap rule, r6000\."):
        store.add([caps[-1].model_copy(update={"value": "B5999"})], "ann")


def test_last_line_without_end_counts(store: RuleStore, settings: Settings) -> None:
    store.add([BOOST, PROMOTION], "ann")
    settings.rules_file.write_bytes(settings.rules_file.read_bytes().rstrip())
    assert list(store.read_rules()) == ["r1", "r2"]
    store.repair()
    assert settings.rules_file.read_bytes().endswith(b"}\n")
    assert list(store.read_rules()) == ["r1", "r2"]


def test_store_remembers_every_change(store: RuleStore) -> None:
    (draft,) = store.add([BOOST.model_copy(update={"is_draft": True})], "ann", "ask first")
    store.submit(draft.rule_id, "bob", "agreed")
    store.stop(draft.rule_id, "ann")
    assert store.read_rules()["r1"].rule.is_stopped
    store.undo("r1", "ann", "too early")
    assert store.read_rules()["r1"].rule == BOOST
    history = store.read_history("r1")
    assert [(change.user, change.action, change.why) for change in history] == [
        ("ann", "add", "ask first"), ("bob", "submit", "agreed"), ("ann", "stop", None), ("ann", "undo", "too early"),
    ]  # fmt: skip
    assert [change.before for change in history[1:]] == [change.after for change in history[:-1]]


def test_undo_of_addition_removes_rule(store: RuleStore) -> None:
    store.add([BOOST, PROMOTION], "ann")
    assert store.undo("r1", "ann") is None
    assert store.read_rules().keys() == {"r2"}
    restored = store.undo("r1", "ann")
    assert restored is not None
    assert restored.rule == BOOST
    (new,) = store.add([BOOST], "ann")
    assert new.rule_id == "r3"


def test_new_id_is_above_all_ids(store: RuleStore, settings: Settings) -> None:
    """Also after an edit of the file that left a gap, or an id of another form."""
    store.add([BOOST, PROMOTION], "ann")
    content = settings.rules_file.read_bytes()
    settings.rules_file.write_bytes(content.replace(b'"r1"', b'"r7"').replace(b'"r2"', b'"spring"'))
    (new,) = store.add([BOOST.model_copy(update={"value": "Other"})], "ann")
    assert new.rule_id == "r8"
    assert list(store.read_rules()) == ["r7", "spring", "r8"]


def test_contradicting_rules_are_refused(store: RuleStore) -> None:
    """Nothing of an addition is saved, not even the rules without a contradiction."""
    store.add([PROMOTION.model_copy(update={"valid_until": TODAY + timedelta(days=7)})], "ann")
    with pytest.raises(RecomartError, match=r"already have a promote rule, r1\. Stop it with `recomart rules stop r1`"):
        store.add([BOOST, PROMOTION], "ann")
    assert len(store.read_rules()) == 1
    store.add(
        [
            PROMOTION.model_copy(update={"valid_from": TODAY + timedelta(days=7)}),
            PROMOTION.model_copy(update={"favourite_category": "toys"}),
            PROMOTION.model_copy(update={"is_draft": True}),
            # A rule for a placement has priority over one for all.
            PROMOTION.model_copy(update={"placements": ("email",)}),
        ],
        "ann",
    )
    with pytest.raises(RecomartError, match="already have a promote rule"):
        store.add([PROMOTION.model_copy(update={"placements": ("home", "email")})], "ann")
    with pytest.raises(RecomartError, match="already have a promote rule"):
        store.submit("r4", "ann")


def test_second_fatigue_rule_is_refused(store: RuleStore) -> None:
    """One of a category stands beside the one for all others."""
    fatigue = Rule(kind="fatigue", scope="category", value="toys", max_impressions=5)
    store.add([fatigue, fatigue.model_copy(update={"value": None})], "ann")
    with pytest.raises(RecomartError, match="already have a fatigue rule, r1"):
        store.add([fatigue.model_copy(update={"value": "Toys", "max_impressions": 9})], "ann")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda store: store.submit("r1", "ann"), "rule r1 not submitted: it is no draft"),
        (lambda store: store.stop("r9", "ann"), "there is no rule 'r9'"),
        (lambda store: store.stop("r2", "ann"), "rule r2 not stopped: it has ended"),
    ],
)
def test_impossible_changes_are_refused(store: RuleStore, call: Any, message: str) -> None:
    store.add([BOOST, BOOST.model_copy(update={"valid_until": TODAY})], "ann")
    with pytest.raises(RecomartError, match=message):
        call(store)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "boost", "scope": "brand", "value": "a"}, "factor: a rule of kind boost needs it"),
        ({"kind": "boost", "scope": "brand", "factor": 3}, "value: the rule names no brand"),
        ({"kind": "boost", "scope": "brand", "value": "a", "factor": 1}, "factor: it must be above 1"),
        ({"kind": "block", "scope": "brand", "value": "a", "factor": 3}, "factor: a rule of kind block has none"),
        ({"kind": "pin", "scope": "brand", "value": "a", "position": 1}, "selects products by product, not brand"),
        ({"kind": "cap", "scope": "brand"}, "max_products: a rule of kind cap needs it"),
        ({"kind": "block", "scope": "price", "min_price": 5, "max_price": 5}, "max_price: it is not above min_price"),
        ({"kind": "block", "scope": "price"}, "has min_price or max_price"),
        ({"kind": "block", "scope": "new"}, "max_age_days: a rule with scope new has it"),
        ({"kind": "block", "scope": "shop", "value": "a"}, "scope: 'shop' is unknown. Known: 'product'"),
        ({"kind": "block", "scope": "brand", "value": "a", "valid_from": "2026-02-02", "valid_until": "2026-02-02"},
         "last_day: it is before the first day"),
        ({"kind": "block", "scope": "brand", "value": "a", "valid_from": "soon"}, "first_day: "),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RecomartError) as raised:
        parse_rule(fields, "no rule added")
    assert str(raised.value).startswith("no rule added: ")
    assert message in str(raised.value)


def test_new_rule_can_end_today() -> None:
    """A new rule whose last day is over would never act."""
    fields = {"kind": "block", "scope": "brand", "value": "a"}
    parse_new_rule({**fields, "valid_until": TODAY + timedelta(days=1)}, "no rule added")
    message = f"no rule added: last_day: {TODAY - timedelta(days=1)} is before today, {TODAY} "
    with pytest.raises(RecomartError, match=re.escape(message)):
        parse_new_rule({**fields, "valid_until": TODAY}, "no rule added")


def test_long_texts_are_refused(store: RuleStore, settings: Settings) -> None:
    store.add([BOOST], "a" * 500, "w" * 500)
    content = settings.rules_file.read_bytes()
    with pytest.raises(RecomartError, match="nothing changed: the reason has 501 characters"):
        store.stop("r1", "ann", "w" * 501)
    with pytest.raises(RecomartError, match="nothing changed: the name of the person has 501 characters"):
        store.stop("r1", "a" * 501)
    with pytest.raises(RecomartError, match="no rule added: reason: it has 501 characters, and at most 500 are"):
        parse_new_rule({**BOOST.model_dump(), "reason": "w" * 501}, "no rule added")
    assert settings.rules_file.read_bytes() == content


def test_value_keeps_inner_blanks() -> None:
    """A product id can have two blanks within."""
    assert Rule(kind="block", scope="product", value=" a  b ").value == "a  b"


def test_unfinished_line_does_not_count(store: RuleStore, settings: Settings) -> None:
    store.add([BOOST], "ann")
    content = settings.rules_file.read_bytes()
    settings.rules_file.write_bytes(content + content[:40])
    assert store.read_rules().keys() == {"r1"}
    store.add([PROMOTION], "ann")
    assert store.read_rules().keys() == {"r1", "r2"}
    assert settings.rules_file.read_bytes().startswith(content)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"number":2', b'"number":7', "line 2 has the number 7"),
        (b'"entry_id"', b'"entry', "line 1 is not a change"),
        (b'"factor":2', b'"factor":0', "line 1 has no valid rule"),
    ],
)
def test_damaged_line_is_an_error(store: RuleStore, settings: Settings, old: bytes, new: bytes, message: str) -> None:
    store.add([BOOST, PROMOTION], "ann")
    settings.rules_file.write_bytes(settings.rules_file.read_bytes().replace(old, new, 1))
    with pytest.raises(RecomartError, match=message) as raised:
        store.read_rules()
    assert str(settings.rules_file) in str(raised.value)


def add_boosts(folder: Path, user: str) -> None:
    for _ in range(20):
        RuleStore(Settings(warehouse=folder)).add([BOOST], user)


def test_processes_add_rules_together(store: RuleStore, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=add_boosts, args=(tmp_path, f"user {number}")) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert list(store.read_rules()) == [f"r{number}" for number in range(1, 61)]


@pytest.mark.parametrize(
    ("fields", "applied", "state"),
    [
        ({"is_draft": True}, None, ("draft", "waits to be submitted")),
        ({"valid_from": TODAY + timedelta(days=1)}, None, ("waiting", f"starts on {TODAY + timedelta(days=1)}")),
        ({}, None, ("waiting", "waits for the next lists, of a build by the rules or of the next run")),
        ({}, 0, ("waiting", "waits for the next lists, of a build by the rules or of the next run")),
        ({}, 1, ("live", "without an end")),
        ({"valid_until": TODAY + timedelta(days=1)}, 1, ("live", f"last day {TODAY}")),
        ({"valid_until": TODAY}, None, ("ended", f"last day {TODAY - timedelta(days=1)}")),
        ({"is_stopped": True}, 1, ("ended", "stopped by ann; the next lists are without it")),
    ],
)
def test_state_follows_calendar(
    store: RuleStore, fields: dict[str, Any], applied: int | None, state: tuple[str, str]
) -> None:
    (stored,) = store.add([BOOST.model_copy(update=fields)], "ann")
    applied_changes = {} if applied is None else {"r1": applied}
    assert get_rule_state(stored, applied_changes, TODAY)[:2] == state


def test_change_after_seen_one_is_refused(store: RuleStore) -> None:
    """A person decides about the version of a rule that another person has changed meanwhile."""
    (stored,) = store.add([BOOST], "ann")
    seen = stored.change.number
    store.stop("r1", "bob", seen_change=seen)
    for change in (store.submit, store.stop, store.undo):
        with pytest.raises(RecomartError, match=r"rule r1 not changed: bob changed it at .* \(stop\)"):
            change("r1", "eve", seen_change=seen)
    assert store.undo("r1", "eve", seen_change=seen + 1) is not None


def test_removed_rules_are_listed(store: RuleStore) -> None:
    store.add([BOOST, PROMOTION], "ann")
    assert store.read_removed_rules() == {}
    store.undo("r1", "bob")
    (removed,) = store.read_removed_rules().values()
    assert (removed.rule_id, removed.rule, removed.change.user) == ("r1", BOOST, "bob")
    store.undo("r1", "bob")
    assert store.read_removed_rules() == {}
