"""The landing files that fetches write: named by the time, whole when they appear, none like the one before."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from warehouse.errors import RecomartError
from warehouse.fetching.catalog_records import RecordStore
from warehouse.fetching.checkpoint import FetchCheckpoint
from warehouse.loading.landing_files import compute_checksum
from warehouse.sources.declaration import Feed

TIME_FORMAT = "%Y-%m-%dT%H%M%SZ"
TIME_PATTERN = r"(\d{4}-\d\d-\d\dT\d{6}Z)"


class FetchedFiles:
    """The files of a feed that fetches have written: the first of its globs with the time in the place of the `*`."""

    def __init__(self, feed: Feed, landing: Path) -> None:
        pattern = landing / feed.files[0]
        self.folder = pattern.parent
        self._landing = landing
        self._prefix, _, self._suffix = pattern.name.partition("*")
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def lock_folder(self) -> Iterator[None]:
        """Keep other processes from fetching into the folder.

        Raises:
            RecomartError: One does.
        """
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RecomartError(f"another process is fetching into {self.folder}; wait for it or stop it") from None
            yield
        finally:
            os.close(handle)

    def publish(self, records: RecordStore, checkpoint: FetchCheckpoint) -> tuple[str, bool]:
        """Make the records a landing file, unless the newest one equals it; its path, and whether it is new."""
        records.write_sorted(checkpoint.complete_file)
        newest = self._find_newest()
        is_new = newest is None or compute_checksum(newest[1]) != compute_checksum(checkpoint.complete_file)
        # Before the file appears: a fetch that is killed in between reads anew, and never takes old pages for new ones.
        checkpoint.discard_state()
        file = newest[1] if newest and not is_new else self._make_next_path(newest[0] if newest else None)
        if is_new:
            checkpoint.complete_file.replace(file)
        checkpoint.remove()
        return file.relative_to(self._landing).as_posix(), is_new

    def _find_newest(self) -> tuple[datetime, Path] | None:
        name = re.compile(re.escape(self._prefix) + TIME_PATTERN + re.escape(self._suffix))
        found = [(match[1], path) for path in self.folder.iterdir() if (match := name.fullmatch(path.name))]
        if not found:
            return None
        text, path = max(found)
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC), path

    def _make_next_path(self, newest_at: datetime | None) -> Path:
        """A file of now, and in any case of later than the newest: the order of names is the order of catalogs."""
        now = datetime.now(UTC)
        moment = max(now, newest_at + timedelta(seconds=1)) if newest_at else now
        return self.folder / f"{self._prefix}{moment:{TIME_FORMAT}}{self._suffix}"
