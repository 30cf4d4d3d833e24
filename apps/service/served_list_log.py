"""The log of the lists that the service answered with: JSON lines in the landing folder, written by a thread."""

import fcntl
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from apps.service.problems import LOG
from warehouse.settings import Settings

MAX_FILE_BYTES = 16 << 20
MAX_FILE_SECONDS = 300.0
"""Size and age at which a file is complete and gets the name under which the next run loads it."""

MAX_QUEUE_BYTES = 16 << 20
"""Maximum bytes of answers that wait for the disk; 16 MB are about 50,000 lists of ten products."""

WRITE_INTERVAL_SECONDS = 1.0
RETRY_INTERVAL_SECONDS = 5.0

UNFINISHED_SUFFIX = ".part"


class ServedList(NamedTuple):
    """An answer with recommendations, as the log has it."""

    recommendation_id: str
    served_at: datetime
    user_id: str | None
    session_id: str | None
    placement: str
    experiment: str | None
    arm: str | None
    run_id: str | None
    product_ids: list[str]
    is_fallback: bool

    def to_line(self) -> bytes:
        """Return the answer as a line of JSON."""
        values = {**self._asdict(), "served_at": f"{self.served_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}
        # UTF-8 cannot represent halves of surrogate pairs, which a request can have in its JSON.
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


class LogFailure(NamedTuple):
    """Why answers cannot be logged."""

    public_reason: str
    cause: str


class LogFullError(OSError):
    """The files that no load has read have the maximum size."""


class ServedListLog:
    """Writes the answers of the service into files of the landing folder; no answer waits for the disk.

    An answer is put into a queue of bounded size, which a thread writes every second. If the disk is full or the folder
    is missing, the answers wait in the queue; those that do not fit are counted as lost.

    A file has the ending `.part`, which loads skip, until it is complete. The process holds a lock on it, so another
    service recognizes the file of a killed process: it removes the incomplete last line and completes the file.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare the log; `start` starts the thread."""
        self.is_enabled = settings.service_log_lists
        self.lost_count = 0
        """Answers that were not logged."""

        self.written_count = 0
        """Answers that were written."""

        self._settings = settings
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._lock = threading.Lock()
        """Lock of the queue and of both counters."""

        self._file: _LogFile | None = None
        self._failure: LogFailure | None = None
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._run, name="served-list-log", daemon=True)

    def start(self) -> None:
        """Start the thread, which first completes the files of killed services."""
        if self.is_enabled:
            self._thread.start()

    def stop(self) -> None:
        """Write the queue, complete the file and stop the thread; a disk that does not respond is not waited for."""
        if self.is_enabled:
            self._stop_event.set()
            self._thread.join(self._settings.service_shutdown_seconds)

    @property
    def status(self) -> Literal["ok", "failing", "off"]:
        """Whether answers are logged, cannot be logged, or are not to be logged."""
        if not self.is_enabled:
            return "off"
        return "failing" if self._failure else "ok"

    @property
    def problem(self) -> str | None:
        """Why answers cannot be logged, in words for clients; None when they can."""
        return self._failure.public_reason if self._failure else None

    def append(self, served_list: ServedList) -> None:
        """Put an answer into the queue, or count it as lost if the queue is full."""
        if not self.is_enabled:
            return
        line = served_list.to_line()
        with self._lock:
            if self._queue_bytes + len(line) > MAX_QUEUE_BYTES:
                self.lost_count += 1
            else:
                self._queue.append(line)
                self._queue_bytes += len(line)

    def _run(self) -> None:
        self._try(self._complete_files_of_killed_services)
        interval_seconds = WRITE_INTERVAL_SECONDS
        is_stopping = False
        while not is_stopping:
            is_stopping = self._stop_event.wait(interval_seconds)
            is_written = self._try(self._write_queue)
            interval_seconds = WRITE_INTERVAL_SECONDS if is_written else RETRY_INTERVAL_SECONDS
        self._try(self._complete_file)
        if self._queue:
            LOG.warning("answers not logged at the end of the service: %d", len(self._queue))

    def _try(self, action: Callable[[], None]) -> bool:
        """Run an action of the thread, and record its failure; return whether it succeeded."""
        try:
            action()
        except Exception as error:
            # No error may stop the thread.
            if not isinstance(error, OSError):
                LOG.exception("the log of the answers failed")
            self._record_failure(_describe_failure(error))
            return False
        self._record_failure(None)
        return True

    def _record_failure(self, failure: LogFailure | None) -> None:
        if failure and failure != self._failure:
            LOG.warning("answers are not logged: %s: %s", self._settings.served_lists_dir, failure.cause)
        elif self._failure and not failure:
            LOG.info("answers are logged again; lost: %d", self.lost_count)
        self._failure = failure

    def _write_queue(self) -> None:
        self._leave_deleted_file()
        with self._lock:
            lines = list(self._queue)
        if lines:
            self._file = self._file or self._open_file()
            self._file.write(lines)
            with self._lock:
                self.written_count += len(lines)
                for _ in lines:
                    self._queue_bytes -= len(self._queue.popleft())
        if self._file and self._file.is_complete:
            self._complete_file()

    def _open_file(self) -> "_LogFile":
        folder = self._settings.served_lists_dir
        # A landing folder that is not mounted must not be created in its place.
        self._settings.landing_dir.stat()
        folder.mkdir(parents=True, exist_ok=True)
        if (max_bytes := self._settings.service_max_log_bytes) <= _sum_unloaded_bytes(self._settings):
            raise LogFullError(
                f"the answers that no load has read have {max_bytes:,} bytes (RECOMART_SERVICE_MAX_LOG_BYTES). Load "
                "them with `recomart run`"
            )
        while True:
            file = _LogFile(folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{os.getpid()}{UNFINISHED_SUFFIX}")
            # Before this process locked the empty file, a starting service may have deleted it.
            if file.exists():
                return file
            file.close()

    def _leave_deleted_file(self) -> None:
        """Count the answers of the file as lost if another program has deleted it."""
        if self._file and not self._file.exists():
            with self._lock:
                self.written_count -= self._file.line_count
                self.lost_count += self._file.line_count
            self._file.close()
            self._file = None

    def _complete_file(self) -> None:
        self._leave_deleted_file()
        if self._file:
            self._file.complete()
            self._file = None

    def _complete_files_of_killed_services(self) -> None:
        for path in sorted(self._settings.served_lists_dir.glob(f"*{UNFINISHED_SUFFIX}")):
            _complete_file_of_killed_service(path)


class _LogFile:
    """An unfinished file of the log, which this process locks."""

    def __init__(self, path: Path) -> None:
        self.line_count = 0
        self._path = path
        self._created_at = time.monotonic()
        self._size = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        # A starting service holds the lock of an empty file until it has deleted the file.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    @property
    def is_complete(self) -> bool:
        """Whether the file has its maximum size or age."""
        return self._size >= MAX_FILE_BYTES or time.monotonic() - self._created_at >= MAX_FILE_SECONDS

    def exists(self) -> bool:
        """Return whether the file is still in its folder."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def write(self, lines: list[bytes]) -> None:
        """Write lines; after an error, the next call writes over the part of them that was written."""
        data = memoryview(b"".join(lines))
        offset = self._size
        while data:
            written_bytes = os.pwrite(self._descriptor, data, offset)
            data = data[written_bytes:]
            offset += written_bytes
        self._size = offset
        self.line_count += len(lines)

    def complete(self) -> None:
        """Give the file the name under which loads read it."""
        _complete(self._path, self._descriptor, self._size)
        self.close()

    def close(self) -> None:
        """Close the file, which also unlocks it."""
        os.close(self._descriptor)


def _complete(path: Path, descriptor: int, size: int) -> None:
    """Cut a file after its last whole line, write it to the disk and rename it; delete it if it is empty."""
    os.ftruncate(descriptor, size)
    if size == 0:
        path.unlink()
        return
    os.fsync(descriptor)
    path.rename(path.with_suffix(".jsonl"))


def _complete_file_of_killed_service(path: Path) -> None:
    """Complete an unfinished file, unless a running service has it open."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # Another service may have completed it since it was opened.
        if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return
        _complete(path, file.fileno(), file.read().rfind(b"\n") + 1)


def _sum_unloaded_bytes(settings: Settings) -> int:
    """Return the size of the files of the log that are newer than the last change of the database, as by a load."""
    try:
        loaded_ns = settings.database.stat().st_mtime_ns
    except FileNotFoundError:
        loaded_ns = 0
    total_bytes = 0
    with os.scandir(settings.served_lists_dir) as entries:
        for entry in entries:
            # Another service may rename its file meanwhile.
            with suppress(FileNotFoundError):
                status = entry.stat()
                total_bytes += status.st_size if status.st_mtime_ns > loaded_ns else 0
    return total_bytes


def _describe_failure(error: Exception) -> LogFailure:
    if isinstance(error, LogFullError):
        return LogFailure("the answers that no load has read have the maximum size. Run `recomart run`", str(error))
    reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return LogFailure(f"the log of the answers cannot be written: {reason}", str(error) or reason)
