"""What a fetch has read so far, on disk: a killed one goes on from there, and nobody takes it for a catalog."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from warehouse.fetching.catalog_records import RecordStore
from warehouse.fetching.pages import PageLocation


class FetchState(BaseModel):
    """How far the fetch is; replaced as a whole after each page."""

    request_fingerprint: str
    """Fingerprint of what is asked of the service; what was read for another one is thrown away."""

    started_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    """When this reading began."""

    pass_number: int = 1
    """Number of this reading of the catalog."""

    previous_ids_fingerprint: str | None = None
    """Fingerprint of the ids of the reading before, if that one was consistent."""

    page_count: int = 0
    """Pages of this reading so far."""

    byte_count: int = 0
    """Bytes of the records file that belong to these pages."""

    total: int | None = None
    """How many records the service counts, if it tells."""

    next_location: PageLocation | None = None
    """Where the next page is; the first page when nothing was read."""

    is_complete: bool = False
    """Whether this reading has come to its end."""


class FetchCheckpoint:
    """A hidden folder beside the files that are fetched, with the state and the records so far.

    Its files have a suffix that the loader leaves alone, whatever a feed's globs are.
    """

    def __init__(self, folder: Path, request_text: str, max_age: timedelta) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._state_file = folder / "state.part"
        self._records_file = folder / "records.part"
        self.complete_file = folder / "complete.part"
        self._folder = folder
        self._request_fingerprint = hashlib.sha256(request_text.encode()).hexdigest()
        self.state = self._load_state(max_age) or FetchState(request_fingerprint=self._request_fingerprint)

    def open_records(self, id_column: str) -> RecordStore:
        """The records of the reading that is under way."""
        records = RecordStore(self._records_file, self.state.byte_count)
        records.load_existing(id_column)
        return records

    def start_pass(self, pass_number: int, previous_ids_fingerprint: str | None) -> None:
        """Begin to read the catalog from its first page."""
        self.save(
            FetchState(
                request_fingerprint=self._request_fingerprint,
                pass_number=pass_number,
                previous_ids_fingerprint=previous_ids_fingerprint,
            )
        )

    def save(self, state: FetchState) -> None:
        """Replace the state."""
        writing = self._state_file.with_name("state.writing.part")
        writing.write_text(state.model_dump_json(), encoding="utf-8")
        writing.replace(self._state_file)
        self.state = state

    def discard_state(self) -> None:
        """Throw the state away, so that the next fetch begins anew."""
        self._state_file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        self.discard_state()
        for file in self._folder.iterdir():
            file.unlink()
        self._folder.rmdir()

    def _load_state(self, max_age: timedelta) -> FetchState | None:
        """The state of a fetch that broke off, if it is of use."""
        try:
            state = FetchState.model_validate_json(self._state_file.read_text(encoding="utf-8"))
            size = self._records_file.stat().st_size
        except (OSError, UnicodeDecodeError, ValidationError):
            return None
        is_recent = abs(datetime.now(UTC) - state.started_at) <= max_age
        return (
            state
            if state.request_fingerprint == self._request_fingerprint and is_recent and size >= state.byte_count
            else None
        )
