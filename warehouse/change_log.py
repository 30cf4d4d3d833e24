"""Append-only logs of changes: who changed an entry, when and why, with the entry before and after."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock

MAX_CHANGE_TEXT_LENGTH = 500
"""Maximum number of characters of a person's name and of a reason."""


class Change(BaseModel):
    """One line of a change log."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    number: int
    """Number of the change, from 1 and without gaps."""
    changed_at: datetime
    """UTC time."""
    user: str
    """Name or e-mail address of the person."""
    action: str
    """What was done, such as add, stop or undo."""
    why: str | None
    """Reason for colleagues."""
    entry_id: str
    """Id of the changed entry."""
    before: dict[str, Any] | None
    """The entry before the change; None for a new one."""
    after: dict[str, Any] | None
    """The entry after the change; None for a removed one."""


class EntryChange(NamedTuple):
    """A change that is not written yet; its `before` is the entry's newest `after`."""

    action: str
    entry_id: str
    after: dict[str, Any] | None
    why: str | None = None


class ChangeLog:
    """A file of JSON lines, one for each change; the newest line of an entry has its present state."""

    def __init__(self, file: Path, wait_seconds: float) -> None:
        self._file = file
        self._wait_seconds = wait_seconds

    def read(self) -> list[Change]:
        """Return all changes, oldest first; none without a file.

        A last line without an end counts if it is whole, such as after an edit of the file.

        Raises:
            RecomartError: The file cannot be read, or a line is damaged.
        """
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecomartError(f"{self._file} cannot be read: {error.strerror}. Make it a readable file") from error
        *lines, rest = content.split(b"\n")
        changes = [self._parse_line(number, line) for number, line in enumerate(lines, start=1)]
        with suppress(RecomartError):
            changes.append(self._parse_line(len(lines) + 1, rest))
        return changes

    def read_undamaged(self) -> list[Change]:
        """Return the changes of the lines that can be read, oldest first; none if the file cannot be read."""
        changes = []
        with suppress(OSError):
            for number, line in enumerate(self._file.read_bytes().split(b"\n"), start=1):
                with suppress(RecomartError):
                    changes.append(self._parse_line(number, line))
        return changes

    def _parse_line(self, number: int, line: bytes) -> Change:
        try:
            change = Change.model_validate_json(line)
        except ValidationError as error:
            raise self._make_damage_error(number, "is not a change") from error
        if change.number != number:
            raise self._make_damage_error(number, f"has the number {change.number}")
        return change

    def _make_damage_error(self, number: int, problem: str) -> RecomartError:
        return RecomartError(
            f"{self._file}: line {number} {problem}: the file was edited or is damaged. Restore it from a backup"
        )

    def update(self, user: str, make_changes: Callable[[list[Change]], Sequence[EntryChange]]) -> list[Change]:
        """Write changes, all or none, and return them; no other process changes the file meanwhile.

        Args:
            user: Name or e-mail address of the person.
            make_changes: Returns the changes to write, given all earlier changes.

        Raises:
            WarehouseBusyError: Another process changes the file.
            RecomartError: The name or a reason is too long, a line is damaged, or the file cannot be written.
        """
        _check_length("name of the person", user)
        with self._lock():
            earlier_changes = self.read()
            states = {change.entry_id: change.after for change in earlier_changes}
            changed_at = datetime.now(UTC)
            changes = []
            for number, new in enumerate(make_changes(earlier_changes), start=len(earlier_changes) + 1):
                _check_length("reason", new.why or "")
                before, states[new.entry_id] = states.get(new.entry_id), new.after
                changes.append(Change(number=number, changed_at=changed_at, user=user, before=before, **new._asdict()))
            if changes:
                self._write([*earlier_changes, *changes])
        return changes

    def repair(self) -> None:
        """Create a missing file, and end the last line or cut off half of one; readers in SQL need whole lines.

        Raises:
            WarehouseBusyError: Another process changes the file.
            RecomartError: A line is damaged, or the file cannot be written.
        """
        with self._lock():
            changes = self.read()
            content = self._file.read_bytes() if self._file.exists() else None
            if content is None or not (content == b"" or content.endswith(b"\n")):
                self._write(changes)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            with exclusive_lock(self._file.with_suffix(".lock"), f"change of {self._file.name}", self._wait_seconds):
                yield
        except OSError as error:
            raise RecomartError(
                f"{self._file} cannot be written: {error.strerror}. Nothing was changed. Free some space, or make the "
                "folder writable"
            ) from error

    def _write(self, changes: Sequence[Change]) -> None:
        """Replace the file as a whole: a killed process or a full disk leaves the earlier one."""
        unfinished = self._file.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            file.write("".join(f"{change.model_dump_json()}\n" for change in changes).encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._file)


def _check_length(what: str, text: str) -> None:
    if len(text) > MAX_CHANGE_TEXT_LENGTH:
        raise RecomartError(
            f"nothing changed: the {what} has {len(text):,} characters. Write at most {MAX_CHANGE_TEXT_LENGTH}"
        )


def read_entries(changes: Sequence[Change]) -> dict[str, Change]:
    """Return the newest change of each entry that exists, in the order of their first changes."""
    newest = {change.entry_id: change for change in changes}
    return {entry_id: change for entry_id, change in newest.items() if change.after is not None}
