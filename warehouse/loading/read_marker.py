"""The marker of the files that a load is reading, by which the next loads recognize a file that kills the process."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Self

import duckdb

from warehouse.atomic_files import write_text_atomically
from warehouse.loading.landing_files import LandingFile

MAX_KILLS = 2
"""Loads that the system may kill while they read a file alone, when it kills a process for lack of memory."""

MAX_UNEXPLAINED_KILLS = 5
"""Loads that may be killed for another reason, for example by a user, while they read a file alone."""

VMSTAT_FILE = Path("/proc/vmstat")
"""Linux's statistics of memory, with the number of processes that were killed for lack of it."""


class ReadMarker:
    """A file with the files that are read now; a killed load leaves it.

    The files of a killed load are suspects, which the next load reads one by one. A suspect during which further loads
    are killed is rejected.
    """

    def __init__(self, marker_file: Path) -> None:
        self._marker_file = marker_file
        self._lock = Lock()
        self._reading: set[str] = set()
        self._out_of_memory_kills = _count_out_of_memory_kills()
        self._kills: dict[str, int] = {}
        """Loads that were killed while they read only this suspect, by file."""
        self._max_kills = MAX_UNEXPLAINED_KILLS
        self._load()

    def is_suspect(self, file: LandingFile) -> bool:
        """Return whether a load was killed while it read the file, perhaps among others."""
        return _make_key(file) in self._kills

    def find_problem(self, file: LandingFile) -> str | None:
        """Describe why a suspect is rejected, or return None."""
        kill_count = self._kills.get(_make_key(file), 0)
        if kill_count < self._max_kills:
            return None
        return (
            f"{kill_count} loads in a row were killed while they read it, probably for lack of memory. Replace the "
            f"file, or read it again with `recomart reload --file '{file.path}'`"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        # After an error of DuckDB itself, the cause is sought as after a kill.
        if error_type is None or not issubclass(error_type, duckdb.FatalException | duckdb.InternalException):
            with self._lock:
                self._reading.clear()
                self._save()

    @contextmanager
    def reading(self, files: Sequence[LandingFile]) -> Iterator[None]:
        """Mark files as read now; an error leaves the mark."""
        self.begin(files)
        yield
        self.end(files)

    def begin(self, files: Sequence[LandingFile]) -> None:
        """Mark files as read now."""
        with self._lock:
            self._reading.update(map(_make_key, files))
            self._save()

    def end(self, files: Sequence[LandingFile]) -> None:
        """Remove the marks of files, which are no suspects any more."""
        with self._lock:
            for key in map(_make_key, files):
                self._reading.discard(key)
                self._kills.pop(key, None)
            self._save()

    def _load(self) -> None:
        try:
            content = json.loads(self._marker_file.read_text(encoding="utf-8"))
            reading, kills = content["reading"], content["kills"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        self._kills = {**dict.fromkeys(reading, 0), **kills}
        if len(reading) == 1:
            self._kills[reading[0]] += 1
        if content.get("out_of_memory_kills") != self._out_of_memory_kills:
            self._max_kills = MAX_KILLS

    def _save(self) -> None:
        if not self._reading and not self._kills:
            self._marker_file.unlink(missing_ok=True)
            return
        content = {
            "out_of_memory_kills": self._out_of_memory_kills,
            "reading": sorted(self._reading),
            "kills": self._kills,
        }
        write_text_atomically(self._marker_file, json.dumps(content))


def _make_key(file: LandingFile) -> str:
    """Return a text for a version of a file: a changed file is another one."""
    return f"{file.feed.name} {file.size_bytes} {file.changed_ns} {file.path}"


def _count_out_of_memory_kills() -> int | None:
    """Return how many processes Linux has killed for lack of memory; None on other systems."""
    with suppress(OSError):
        if match := re.search(r"^oom_kill (\d+)$", VMSTAT_FILE.read_text(encoding="ascii"), re.MULTILINE):
            return int(match[1])
    return None
