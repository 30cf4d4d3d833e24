"""The landing files that fetches write: named by time, complete when they appear, and never equal to the one before."""

import fcntl
import filecmp
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from warehouse.errors import RecomartError, TemporaryError
from warehouse.fetching.catalog_records import RecordStore
from warehouse.fetching.checkpoint import FetchCheckpoint
from warehouse.loading.landing_files import find_link_problem
from warehouse.sources.declaration import Feed

TIME_FORMAT = "%Y-%m-%dT%H%M%SZ"
TIME_PATTERN = r"(\d{4}-\d\d-\d\dT\d{6}Z)"


class FetchedFiles:
    """The fetched files of a feed; their name is the feed's first glob with the time in place of the `*`."""

    def __init__(self, feed: Feed, landing: Path, linked_folders: Collection[Path] = ()) -> None:
        """Make the folder of the files.

        Raises:
            RecomartError: A symbolic link leads out of the landing folder.
        """
        pattern = landing / feed.files[0]
        self.folder = pattern.parent
        self._landing = landing
        self._prefix, _, self._suffix = pattern.name.partition("*")
        if self.folder.exists():
            problem = find_link_problem(self.folder, [landing.resolve(), *linked_folders])
            if problem:
                raise RecomartError(f"{self.folder}: {problem}")
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def lock_folder(self) -> Iterator[None]:
        """Lock the folder, so that no other process fetches into it.

        Raises:
            TemporaryError: Another process holds the lock.
        """
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TemporaryError(
                    f"another process is fetching into {self.folder}. Wait until it has finished, or stop it"
                ) from None
            yield
        finally:
            os.close(handle)

    def publish(self, records: RecordStore, checkpoint: FetchCheckpoint) -> tuple[str, bool]:
        """Write the records as a landing file unless the newest one is equal; return its path and whether it is new."""
        records.write_sorted(checkpoint.complete_file)
        newest = self._find_newest()
        is_new = newest is None or not filecmp.cmp(newest[1], checkpoint.complete_file, shallow=False)
        # Discarded before the file appears: if the fetch is killed in between, the next one does not reuse old pages.
        checkpoint.discard_state()
        file = newest[1] if newest and not is_new else self._make_next_path(newest[0] if newest else None)
        if is_new:
            checkpoint.complete_file.replace(file)
        checkpoint.remove()
        return file.relative_to(self._landing).as_posix(), is_new

    def _find_newest(self) -> tuple[datetime, Path] | None:
        pattern = re.compile(re.escape(self._prefix) + TIME_PATTERN + re.escape(self._suffix))
        files = [
            (match[1], path)
            for path in self.folder.iterdir()
            if (match := pattern.fullmatch(path.name)) and path.is_file() and not path.is_symlink()
        ]
        if not files:
            return None
        time_text, path = max(files)
        return datetime.strptime(time_text, TIME_FORMAT).replace(tzinfo=UTC), path

    def _make_next_path(self, newest_at: datetime | None) -> Path:
        """Make a path with the current time, or with a later one if the newest file requires it for the name order."""
        now = datetime.now(UTC)
        fetched_at = max(now, newest_at + timedelta(seconds=1)) if newest_at else now
        return self.folder / f"{self._prefix}{fetched_at:{TIME_FORMAT}}{self._suffix}"
