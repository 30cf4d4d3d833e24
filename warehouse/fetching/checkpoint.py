"""The checkpoint of a fetch on disk, from which the next fetch resumes."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from warehouse.atomic_files import write_text_atomically
from warehouse.fetching.catalog_records import RecordStore
from warehouse.fetching.pages import PageLocation


class FetchState(BaseModel):
    """State of a fetch; replaced as a whole after each page."""

    request_fingerprint: str
    """Fingerprint of the request settings; a checkpoint of other settings is discarded."""

    started_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    """Start of this pass."""

    pass_number: int = 1
    """Number of this pass over the catalog."""

    previous_ids_fingerprint: str | None = None
    """Fingerprint of the ids of the previous pass, if that pass was valid."""

    page_count: int = 0
    """Pages of this pass so far."""

    byte_count: int = 0
    """Bytes of these pages in the records file."""

    total: int | None = None
    """Total number of records, if the service declares it."""

    next_location: PageLocation | None = None
    """Location of the next page; None for the first page."""

    is_complete: bool = False
    """Whether this pass is complete."""


class FetchCheckpoint:
    """A hidden folder beside the fetched files, with the state and the records so far.

    Its files have a suffix that the loader skips for every glob.
    """

    def __init__(self, folder: Path, request_text: str, max_age: timedelta) -> None:
        # A link in place of the folder or of a file would let a fetch write elsewhere.
        for path in (folder, *(folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ())):
            if path.is_symlink():
                path.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        self._state_file = folder / "state.part"
        self._records_file = folder / "records.part"
        self.complete_file = folder / "complete.part"
        self._folder = folder
        self._request_fingerprint = hashlib.sha256(request_text.encode()).hexdigest()
        self.state = self._load_state(max_age) or FetchState(request_fingerprint=self._request_fingerprint)

    def open_records(self, id_column: str) -> RecordStore:
        """Open the records of the current pass."""
        records = RecordStore(self._records_file, self.state.byte_count)
        records.load_existing(id_column)
        return records

    def start_pass(self, pass_number: int, previous_ids_fingerprint: str | None) -> None:
        """Start a pass at the first page."""
        self.save(
            FetchState(
                request_fingerprint=self._request_fingerprint,
                pass_number=pass_number,
                previous_ids_fingerprint=previous_ids_fingerprint,
            )
        )

    def save(self, state: FetchState) -> None:
        """Replace the state."""
        write_text_atomically(self._state_file, state.model_dump_json())
        self.state = state

    def discard_state(self) -> None:
        """Delete the state, so that the next fetch starts at the first page."""
        self._state_file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder and its files."""
        self.discard_state()
        for file in self._folder.iterdir():
            file.unlink()
        self._folder.rmdir()

    def _load_state(self, max_age: timedelta) -> FetchState | None:
        """Load the state of an interrupted fetch if it is recent, complete and of the same request settings."""
        try:
            state = FetchState.model_validate_json(self._state_file.read_text(encoding="utf-8"))
            size_bytes = self._records_file.stat().st_size
        except (OSError, UnicodeDecodeError, ValidationError):
            return None
        is_recent = abs(datetime.now(UTC) - state.started_at) <= max_age
        is_same_request = state.request_fingerprint == self._request_fingerprint
        return state if is_same_request and is_recent and size_bytes >= state.byte_count else None
