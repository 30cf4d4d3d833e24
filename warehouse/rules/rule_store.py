"""The store of the merchandising rules: one file in the warehouse folder with all changes, which dbt reads."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import ValidationError

from warehouse.change_log import MAX_CHANGE_TEXT_LENGTH, Change, ChangeLog, EntryChange, read_entries
from warehouse.errors import RecomartError
from warehouse.formatting import format_names
from warehouse.rules.rule import KINDS_WITHOUT_VALUE, Rule, RuleFieldError, parse_rule
from warehouse.settings import Settings


@dataclass(frozen=True)
class StoredRule:
    """A rule of the store, with its newest change."""

    rule_id: str
    rule: Rule
    change: Change


class RuleStore:
    """The merchandising rules of a warehouse."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.rules_file
        self._log = ChangeLog(settings.rules_file, settings.wait_seconds)

    def read_rules(self) -> dict[str, StoredRule]:
        """Return all rules by id, oldest first.

        Raises:
            RecomartError: The file is damaged.
        """
        return self._parse_rules(self._log.read())

    def read_undamaged_rules(self) -> dict[str, StoredRule]:
        """Return the rules of the lines of a damaged file that can be read, by id, oldest first."""
        rules: dict[str, StoredRule] = {}
        for change in self._log.read_undamaged():
            if change.after is None:
                rules.pop(change.entry_id, None)
            with suppress(RecomartError):
                rules |= self._parse_rules([change])
        return rules

    def read_removed_rules(self) -> dict[str, StoredRule]:
        """Return the rules whose addition was undone, by id, oldest first; another undo restores them.

        Raises:
            RecomartError: The file is damaged.
        """
        newest = {change.entry_id: change for change in self._log.read()}
        return {
            rule_id: StoredRule(rule_id, self._parse_rule(change, change.before), change)
            for rule_id, change in newest.items()
            if change.after is None
        }

    def read_all_rules(self) -> list[StoredRule]:
        """Return all rules, also the removed ones.

        Raises:
            RecomartError: The file is damaged.
        """
        return [*self.read_rules().values(), *self.read_removed_rules().values()]

    def repair(self) -> None:
        """Create a missing file, and end the last line or cut off half of one; dbt reads the file.

        Raises:
            WarehouseBusyError: Another process changes the file.
            RecomartError: The file is damaged.
        """
        self._log.repair()
        self.read_rules()

    def read_history(self, rule_id: str | None = None) -> list[Change]:
        """Return the changes of a rule, or of all rules, oldest first.

        Raises:
            RecomartError: The file is damaged, or the rule does not exist.
        """
        changes = self._log.read()
        if rule_id is None:
            return changes
        changes = [change for change in changes if change.entry_id == rule_id]
        if not changes:
            raise self._make_unknown_error(rule_id)
        return changes

    def add(self, rules: Sequence[Rule], user: str, why: str | None = None) -> list[StoredRule]:
        """Add rules, all or none; return them with their ids.

        Raises:
            RecomartError: A rule contradicts another one.
        """

        def make_changes(changes: list[Change]) -> list[EntryChange]:
            stored = self._parse_rules(changes)
            # An edited file can have gaps: the number of rules plus one can be the id of a rule.
            newest_number = max((_get_number(change.entry_id) for change in changes), default=0)
            others = _RuleConflicts({rule_id: entry.rule for rule_id, entry in stored.items()})
            additions = []
            for number, rule in enumerate(rules, start=newest_number + 1):
                others.check(rule)
                others.add(f"r{number}", rule)
                additions.append(EntryChange("add", f"r{number}", _dump(rule), why))
            return additions

        return self._write(user, make_changes)

    def submit(self, rule_id: str, user: str, why: str | None = None, *, seen_change: int | None = None) -> StoredRule:
        """Make a draft a rule that the next lists follow.

        `seen_change` is the number of the rule's change that the person saw, if any.

        Raises:
            RecomartError: The rule does not exist, is no draft, was changed after `seen_change`, or contradicts another
                one.
        """

        def change(stored: StoredRule, others: dict[str, Rule]) -> Rule:
            if not stored.rule.is_draft:
                raise RecomartError(f"rule {rule_id} not submitted: it is no draft")
            submitted = stored.rule.model_copy(update={"is_draft": False})
            _RuleConflicts(others).check(submitted)
            return submitted

        return self._change(rule_id, "submit", user, why, change, seen_change)

    def stop(self, rule_id: str, user: str, why: str | None = None, *, seen_change: int | None = None) -> StoredRule:
        """End a rule today.

        `seen_change` is the number of the rule's change that the person saw, if any.

        Raises:
            RecomartError: The rule does not exist, has ended, or was changed after `seen_change`.
        """

        def change(stored: StoredRule, _: dict[str, Rule]) -> Rule:
            if stored.rule.is_stopped or has_ended(stored.rule, get_today()):
                raise RecomartError(f"rule {rule_id} not stopped: it has ended")
            return stored.rule.model_copy(update={"is_stopped": True})

        return self._change(rule_id, "stop", user, why, change, seen_change)

    def undo(
        self, rule_id: str, user: str, why: str | None = None, *, seen_change: int | None = None
    ) -> StoredRule | None:
        """Undo the newest change of a rule; return the rule, or None when the change was its addition.

        `seen_change` is the number of the rule's change that the person saw, if any.

        Raises:
            RecomartError: The rule does not exist, was changed after `seen_change`, or contradicts another one now.
        """

        def make_changes(changes: list[Change]) -> list[EntryChange]:
            own_changes = [change for change in changes if change.entry_id == rule_id]
            if not own_changes:
                raise self._make_unknown_error(rule_id)
            _check_newest_change(changes, rule_id, seen_change)
            before = own_changes[-1].before
            if before is not None:
                others = {other: entry.rule for other, entry in self._parse_rules(changes).items() if other != rule_id}
                _RuleConflicts(others).check(Rule.model_validate(before))
            return [EntryChange("undo", rule_id, before, why)]

        stored = self._write(user, make_changes)
        return stored[0] if stored else None

    def _change(
        self,
        rule_id: str,
        action: str,
        user: str,
        why: str | None,
        change: Callable[[StoredRule, dict[str, Rule]], Rule],
        seen_change: int | None,
    ) -> StoredRule:
        def make_changes(changes: list[Change]) -> list[EntryChange]:
            _check_newest_change(changes, rule_id, seen_change)
            stored = self._parse_rules(changes)
            if rule_id not in stored:
                raise self._make_unknown_error(rule_id)
            others = {other: entry.rule for other, entry in stored.items() if other != rule_id}
            return [EntryChange(action, rule_id, _dump(change(stored[rule_id], others)), why)]

        return self._write(user, make_changes)[0]

    def _write(self, user: str, make_changes: Callable[[list[Change]], Sequence[EntryChange]]) -> list[StoredRule]:
        return list(self._parse_rules(self._log.update(user, make_changes)).values())

    def _parse_rules(self, changes: Sequence[Change]) -> dict[str, StoredRule]:
        return {
            rule_id: StoredRule(rule_id, self._parse_rule(change, change.after), change)
            for rule_id, change in read_entries(changes).items()
        }

    def _parse_rule(self, change: Change, fields: dict[str, Any] | None) -> Rule:
        try:
            return Rule.model_validate(fields)
        except ValidationError as error:
            raise RecomartError(
                f"{self._file}: line {change.number} has no valid rule: the file was edited or is of a newer "
                "version of RecoMart. Restore it from a backup"
            ) from error

    def _make_unknown_error(self, rule_id: str) -> RecomartError:
        return RecomartError(f"there is no rule '{rule_id}'. `recomart rules list --all` lists all rules")


def _check_newest_change(changes: Sequence[Change], rule_id: str, seen_change: int | None) -> None:
    """Check that no other person changed a rule after a person saw it."""
    newest = next((change for change in reversed(changes) if change.entry_id == rule_id), None)
    if newest is not None and seen_change is not None and newest.number != seen_change:
        raise RecomartError(
            f"rule {rule_id} not changed: {newest.user} changed it at {newest.changed_at:%Y-%m-%d %H:%M:%S} UTC "
            f"({newest.action}), after you opened it. Look at its history, then decide again"
        )


class _RuleConflicts:
    """The enabled rules of the kinds that can contradict each other, by their conflict keys."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules: dict[tuple[str, ...], dict[str, Rule]] = defaultdict(dict)
        for rule_id, rule in rules.items():
            self.add(rule_id, rule)

    def add(self, rule_id: str, rule: Rule) -> None:
        """Add a rule, which later ones are checked against."""
        if _can_contradict(rule):
            self._rules[_get_conflict_key(rule)][rule_id] = rule

    def check(self, rule: Rule) -> None:
        """Check that a rule does not contradict another one in the same lists on the same day.

        Raises:
            RecomartError: Two caps, repurchases, fatigue rules or promotions are for the same lists.
        """
        if not _can_contradict(rule):
            return
        others = self._rules.get(_get_conflict_key(rule), {})
        rule_ids = [rule_id for rule_id, other in others.items() if _overlaps(rule, other)]
        if rule_ids:
            raise RecomartError(
                f"'{rule.describe()}' not saved: the same lists already have a {rule.kind} rule, "
                f"{format_names(rule_ids)}. Stop it with `recomart rules stop {rule_ids[0]}`, or choose other days or "
                "placements"
            )


def _can_contradict(rule: Rule) -> bool:
    return rule.is_enabled and rule.kind in (*KINDS_WITHOUT_VALUE, "promote")


def _get_conflict_key(rule: Rule) -> tuple[str, ...]:
    """Return what contradicting rules have in common: kind and selection; of promotions, the kind only."""
    # A list follows one promotion, of any products.
    return (rule.kind,) if rule.kind == "promote" else (rule.kind, *rule.selection)


def _overlaps(rule: Rule, other: Rule) -> bool:
    """Return whether two rules are for common lists and days."""
    is_same_group = _get_group(rule) == _get_group(other)
    # A rule for some placements has priority over one for all.
    has_common_placement = set(rule.placements) & set(other.placements) or rule.placements == other.placements
    return is_same_group and bool(has_common_placement) and rule.has_common_days(other)


def _get_group(rule: Rule) -> tuple[str, str]:
    return (rule.favourite_category or "").lower(), (rule.rule_set or "").lower()


def _get_number(rule_id: str) -> int:
    """Return the number of an id like r12; 0 for other ids, which an edited file can have."""
    match = re.fullmatch("r([0-9]+)", rule_id)
    return int(match[1]) if match else 0


def _dump(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", exclude_defaults=True)


def get_today() -> date:
    """Return the present day (UTC), by which rules start and end."""
    return datetime.now(UTC).date()


def parse_new_rule(fields: Mapping[str, object], location: str) -> Rule:
    """Return a rule that a person wants to add.

    Raises:
        RuleFieldError: A field is wrong, the last day is over, or the reason is too long; the message begins with the
            location.
    """
    rule, today = parse_rule(fields, location), get_today()
    if has_ended(rule, today):
        raise RuleFieldError(
            location,
            "last_day",
            f"{rule.last_day} is before today, {today} (UTC): the rule would never act. Choose today or a later day",
        )
    if len(rule.reason or "") > MAX_CHANGE_TEXT_LENGTH:
        problem = f"it has {len(rule.reason or ''):,} characters, and at most {MAX_CHANGE_TEXT_LENGTH} are allowed"
        raise RuleFieldError(location, "reason", problem)
    return rule


def has_ended(rule: Rule, today: date) -> bool:
    """Return whether the last day of a rule is over."""
    return rule.valid_until is not None and rule.valid_until <= today


def has_started(rule: Rule, today: date) -> bool:
    """Return whether the first day of a rule has begun."""
    return rule.valid_from is None or rule.valid_from <= today


def is_active(rule: Rule, today: date) -> bool:
    """Return whether lists that are built today follow a rule; the model `rec_active_rules` has the same rules."""
    return rule.is_enabled and has_started(rule, today) and not has_ended(rule, today)
