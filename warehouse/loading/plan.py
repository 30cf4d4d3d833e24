"""The plan of a load: which landing files are new or changed, unchanged, or changing."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from warehouse.checksums import compute_checksum
from warehouse.errors import RecomartError
from warehouse.loading import ledger
from warehouse.loading.landing_files import (
    ChangingFileError,
    LandingFile,
    NewFile,
    UnreadableFileError,
    find_changing_files,
    open_landing_file,
)
from warehouse.settings import Settings


@dataclass
class LoadPlan:
    """The files to load, to skip and to leave for the next load; each mapping is by feed."""

    new_files: dict[str, list[NewFile]] = field(default_factory=dict)
    unchanged_counts: dict[str, int] = field(default_factory=dict)
    changing_paths: dict[str, list[str]] = field(default_factory=dict)
    """Paths of the changing files."""

    skipped_rejected_paths: dict[str, list[str]] = field(default_factory=dict)
    """Paths of the files that an earlier load rejected and that have not changed since."""


def make_plan(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Sequence[LandingFile]],
    settings: Settings,
    reload_paths: Collection[str] = (),
) -> LoadPlan:
    """Plan which files to load: the new and changed ones, and those whose path is in `reload_paths`.

    A loaded file is recognized by its size and its change time, which the system sets at every change. Its checksum is
    computed only if the time differs or could be the same after a change. A file that was rejected is not read again
    before it, its declaration or the memory limit changes.
    """
    planners = {
        name: _FilePlanner(connection, feed_files, settings.memory_limit, reload_paths)
        for name, feed_files in files.items()
    }
    changing_paths = find_changing_files(
        (file for planner in planners.values() for file in planner.candidates), settings.settle_seconds
    )
    checked_ns = time.time_ns()
    plan = LoadPlan()
    for name, planner in planners.items():
        settled_files = [
            replace(file, listed_ns=checked_ns) for file in planner.candidates if file.path not in changing_paths
        ]
        touched_paths = planner.update_touched_files(settled_files)
        plan.new_files[name] = planner.number_files([file for file in settled_files if file.path not in touched_paths])
        plan.changing_paths[name] = [file.path for file in planner.candidates if file.path in changing_paths]
        plan.skipped_rejected_paths[name] = planner.skipped_rejected_paths
        plan.unchanged_counts[name] = (
            len(files[name]) - len(planner.candidates) - len(planner.skipped_rejected_paths) + len(touched_paths)
        )
    return plan


class _FilePlanner:
    """Compares the landing files of one feed with their entries in the ledger."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[LandingFile],
        memory_limit: str,
        reload_paths: Collection[str],
    ) -> None:
        self._connection = connection
        self._memory_limit = memory_limit
        self._reload_paths = reload_paths
        self._entries = ledger.read_loaded_files(connection, files[0].feed) if files else {}
        self._rejected_entries = ledger.read_rejected_files(connection, files[0].feed) if files else {}
        self.skipped_rejected_paths = [file.path for file in files if self._is_skipped(file)]
        self.candidates = [
            file for file in files if not self._has_same_change_time(file) and not self._is_skipped(file)
        ]
        """The files to load, unless they are changing, or have the checksum of the loaded file."""

    def update_touched_files(self, files: Sequence[LandingFile]) -> set[str]:
        """Write the change times of the files whose content is as it was loaded; return their paths."""
        touched_files = [
            file
            for file in files
            if self._is_loaded_as_declared(file) and _has_checksum(file, self._entries[file.path].checksum)
        ]
        if touched_files:
            ledger.update_change_times(self._connection, touched_files[0].feed, touched_files)
        return {file.path for file in touched_files}

    def number_files(self, files: Sequence[LandingFile]) -> list[NewFile]:
        """Return the files with load ids."""
        load_ids = ledger.allocate_load_ids(self._connection, len(files))
        return [
            NewFile(file, file.path in self._entries, load_id) for file, load_id in zip(files, load_ids, strict=True)
        ]

    def _is_loaded_as_declared(self, file: LandingFile) -> bool:
        entry = self._entries.get(file.path)
        return bool(
            entry
            and file.path not in self._reload_paths
            and (entry.size_bytes, entry.parse_fingerprint) == (file.size_bytes, file.feed.parse_fingerprint)
        )

    def _has_same_change_time(self, file: LandingFile) -> bool:
        return self._is_loaded_as_declared(file) and self._entries[file.path].changed_ns == file.changed_ns

    def _is_skipped(self, file: LandingFile) -> bool:
        attempt = ledger.make_attempt_fingerprint(file.feed, self._memory_limit)
        entry = ledger.RejectedEntry(file.size_bytes, file.changed_ns, attempt)
        return file.path not in self._reload_paths and self._rejected_entries.get(file.path) == entry


def check_files_present(requested_paths: Collection[str], present_paths: set[str], settings: Settings) -> None:
    """Check that all requested files are in the landing folder.

    Raises:
        RecomartError: A requested file is missing, or no feed's globs match it.
    """
    missing_paths = sorted(set(requested_paths) - present_paths)
    if missing_paths:
        others = f" and {len(missing_paths) - 1:,} others" if len(missing_paths) > 1 else ""
        raise RecomartError(
            f"{settings.landing_dir}: file {missing_paths[0]}{others} is missing, or no glob of {settings.sources} "
            "matches it. Its rows stay as they are. Deliver it again, or name other files"
        )


def _has_checksum(file: LandingFile, expected: str) -> bool:
    try:
        with open_landing_file(file) as opened:
            return compute_checksum(opened) == expected
    except (OSError, UnreadableFileError, ChangingFileError):
        # The load reads the file and reports this error.
        return False
