"""What a fetch has read so far, on disk: a killed one goes on from there, and nobody takes it for a catalog."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from warehouse.fetching.catalog_records import Records
from warehouse.fetching.pages import Place


class State(BaseModel):
    """How far the fetch is; replaced as a whole after each page."""

    asked: str
    """Fingerprint of what is asked of the service; what was read for another one is thrown away."""

    begun_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    """When this reading began."""

    reading: int = 1
    """Number of this reading of the catalog."""

    ids_before: str | None = None
    """Fingerprint of the ids of the reading before, if that one was consistent."""

    pages: int = 0
    """Pages of this reading so far."""

    bytes: int = 0
    """Bytes of the records file that belong to these pages."""

    total: int | None = None
    """How many records the service counts, if it tells."""

    next: Place | None = None
    """Where the next page is; the first page when nothing was read."""

    is_complete: bool = False
    """Whether this reading has come to its end."""


class Checkpoint:
    """A hidden folder beside the files that are fetched, with the state and the records so far.

    Its files have a suffix that the loader leaves alone, whatever a feed's globs are.
    """

    def __init__(self, folder: Path, asked: str, longest_age: timedelta) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._state_file = folder / "state.part"
        self._records_file = folder / "records.part"
        self.complete_file = folder / "complete.part"
        self._folder = folder
        self._asked = hashlib.sha256(asked.encode()).hexdigest()
        self.state = self._saved(longest_age) or State(asked=self._asked)

    def records(self, id_column: str) -> Records:
        """The records of the reading that is under way."""
        records = Records(self._records_file, self.state.bytes)
        records.recall(id_column)
        return records

    def begin_reading(self, number: int, ids_before: str | None) -> None:
        """Begin to read the catalog from its first page."""
        self.save(State(asked=self._asked, reading=number, ids_before=ids_before))

    def save(self, state: State) -> None:
        """Replace the state."""
        writing = self._state_file.with_name("state.writing.part")
        writing.write_text(state.model_dump_json(), encoding="utf-8")
        writing.replace(self._state_file)
        self.state = state

    def forget(self) -> None:
        """Throw the state away, so that the next fetch begins anew."""
        self._state_file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        self.forget()
        for file in self._folder.iterdir():
            file.unlink()
        self._folder.rmdir()

    def _saved(self, longest_age: timedelta) -> State | None:
        """The state of a fetch that broke off, if it is of use."""
        try:
            state = State.model_validate_json(self._state_file.read_text(encoding="utf-8"))
            size = self._records_file.stat().st_size
        except (OSError, UnicodeDecodeError, ValidationError):
            return None
        is_recent = abs(datetime.now(UTC) - state.begun_at) <= longest_age
        return state if state.asked == self._asked and is_recent and size >= state.bytes else None
