"""The progress of a load, added up over its files."""

from collections.abc import Callable
from threading import Lock

from warehouse.loading.landing_files import LandingFile, NewFile
from warehouse.loading.plan import LoadPlan
from warehouse.loading.reports import LoadProgress


class ProgressTracker:
    """Adds up the progress of a load and calls `on_progress`, for one thread at a time."""

    def __init__(self, plan: LoadPlan, on_progress: Callable[[LoadProgress], None]) -> None:
        files = [new_file.file for new_files in plan.new_files.values() for new_file in new_files]
        self._progress = LoadProgress(0, len(files), 0, sum(file.size_bytes for file in files))
        self._bytes_read: dict[str, int] = {}
        self._on_progress = on_progress
        self._lock = Lock()

    def add_bytes_read(self, file: LandingFile, bytes_read: int) -> None:
        """Record the bytes of a file that were read so far; bytes that are read a second time count once."""
        with self._lock:
            new_bytes = bytes_read - self._bytes_read.get(file.path, 0)
            if new_bytes > 0:
                self._bytes_read[file.path] = bytes_read
                self._progress = self._progress._replace(bytes_done=self._progress.bytes_done + new_bytes)
                self._on_progress(self._progress)

    def finish_batch(self, batch: list[NewFile]) -> None:
        """Record that the files of a batch are done, whether they were loaded or not."""
        with self._lock:
            self._progress = self._progress._replace(files_done=self._progress.files_done + len(batch))
            self._on_progress(self._progress)
