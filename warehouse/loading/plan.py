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
    entries = {
        name: ledger.read_loaded_files(connection, feed_files[0].feed) if feed_files else {}
        for name, feed_files in files.items()
    }

    def is_loaded_as_declared(file: LandingFile) -> bool:
        entry = entries[file.feed.name].get(file.path)
        return bool(
            entry
            and file.path not in reload_paths
            and (entry.size_bytes, entry.parse_fingerprint) == (file.size_bytes, file.feed.parse_fingerprint)
        )

    def has_same_change_time(file: LandingFile) -> bool:
        return is_loaded_as_declared(file) and entries[file.feed.name][file.path].changed_ns == file.changed_ns

    rejected_entries = {
        name: ledger.read_rejected_files(connection, feed_files[0].feed) if feed_files else {}
        for name, feed_files in files.items()
    }

    def is_skipped(file: LandingFile) -> bool:
        attempt = ledger.make_attempt_fingerprint(file.feed, settings.memory_limit)
        entry = ledger.RejectedEntry(file.size_bytes, file.changed_ns, attempt)
        return file.path not in reload_paths and rejected_entries[file.feed.name].get(file.path) == entry

    skipped_rejected_paths = {
        name: [file.path for file in feed_files if is_skipped(file)] for name, feed_files in files.items()
    }
    candidates = {
        name: [file for file in feed_files if not has_same_change_time(file) and not is_skipped(file)]
        for name, feed_files in files.items()
    }
    changing_paths = find_changing_files(
        (file for feed_files in candidates.values() for file in feed_files), settings.settle_seconds
    )
    checked_ns = time.time_ns()
    plan = LoadPlan(skipped_rejected_paths=skipped_rejected_paths)
    for name, feed_files in candidates.items():
        settled_files = [replace(file, listed_ns=checked_ns) for file in feed_files if file.path not in changing_paths]
        touched_files = [
            file
            for file in settled_files
            if is_loaded_as_declared(file) and _has_checksum(file, entries[name][file.path].checksum)
        ]
        if touched_files:
            ledger.update_change_times(connection, touched_files[0].feed, touched_files)
        touched_paths = {file.path for file in touched_files}
        new_files = [file for file in settled_files if file.path not in touched_paths]
        load_ids = ledger.allocate_load_ids(connection, len(new_files))
        plan.new_files[name] = [
            NewFile(file, file.path in entries[name], load_id)
            for file, load_id in zip(new_files, load_ids, strict=True)
        ]
        plan.changing_paths[name] = [file.path for file in feed_files if file.path in changing_paths]
        plan.unchanged_counts[name] = (
            len(files[name]) - len(feed_files) - len(skipped_rejected_paths[name]) + len(touched_files)
        )
    return plan


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
