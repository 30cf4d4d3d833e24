"""What of the landing folder is to be loaded: what the ledger does not know as it is, and nobody is writing to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from warehouse.loading import ledger
from warehouse.loading.landing_files import LandingFile, NewFile, compute_checksum, find_changing_files


@dataclass
class LoadPlan:
    """What is to become of the files that were found; each mapping is by feed."""

    new_files: dict[str, list[NewFile]] = field(default_factory=dict)
    unchanged_counts: dict[str, int] = field(default_factory=dict)
    changing_paths: dict[str, list[str]] = field(default_factory=dict)
    """Paths of the files that are still being written."""


def make_plan(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Sequence[LandingFile]],
    settle_seconds: float,
    reload_paths: Collection[str] = (),
) -> LoadPlan:
    """Tell the files that are to be loaded from the others; those whose path is in `again` are, whatever is known.

    A loaded file is known again by its size and its time, which the system sets at every change. Its checksum is
    computed only where the time is another one, or could be the same after a change.
    """
    known = {
        name: ledger.read_loaded_files(connection, found[0].feed) if found else {} for name, found in files.items()
    }

    def is_loaded_as_declared(file: LandingFile) -> bool:
        entry = known[file.feed.name].get(file.path)
        return bool(
            entry
            and file.path not in reload_paths
            and (entry.size_bytes, entry.parse_fingerprint) == (file.size_bytes, file.feed.parse_fingerprint)
        )

    def has_same_change_time(file: LandingFile) -> bool:
        return is_loaded_as_declared(file) and known[file.feed.name][file.path].changed_ns == file.changed_ns

    doubtful = {name: [file for file in found if not has_same_change_time(file)] for name, found in files.items()}
    changing = find_changing_files((file for found in doubtful.values() for file in found), settle_seconds)
    plan = LoadPlan()
    for name, found in doubtful.items():
        settled = [file for file in found if file.path not in changing]
        touched = [
            file
            for file in settled
            if is_loaded_as_declared(file) and _has_checksum(file, known[name][file.path].checksum)
        ]
        if touched:
            ledger.update_change_times(connection, touched[0].feed, touched)
        paths = {file.path for file in touched}
        new = [file for file in settled if file.path not in paths]
        numbers = ledger.allocate_load_ids(connection, len(new))
        plan.new_files[name] = [
            NewFile(file, file.path in known[name], load_id) for file, load_id in zip(new, numbers, strict=True)
        ]
        plan.changing_paths[name] = [file.path for file in found if file.path in changing]
        plan.unchanged_counts[name] = len(files[name]) - len(found) + len(touched)
    return plan


def _has_checksum(file: LandingFile, expected: str) -> bool:
    try:
        return compute_checksum(file.location) == expected
    except OSError:
        # Reading it will say why.
        return False
