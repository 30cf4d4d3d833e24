"""Landing files as they lie on the disk: which ones a feed means, and which of them are still being written."""

import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from warehouse.errors import RecomartError
from warehouse.sources.declaration import Feed

UNFINISHED_SUFFIXES = (".part", ".tmp", ".partial", ".crdownload")

TIMESTAMP_RESOLUTION_NS = 2_000_000_000
"""File systems note times in steps of up to two seconds."""


class UnreadableFileError(Exception):
    """A file that no row can be taken from; the message says why."""


class ChangingFileError(Exception):
    """A file that changed, or went away, between being listed and being read; it is left for the next load."""


@dataclass(frozen=True)
class LandingFile:
    """A file of a feed, as it lay in the landing folder when it was listed."""

    feed: Feed
    path: str
    """Relative to the landing folder, with forward slashes."""

    location: Path
    size_bytes: int

    changed_ns: int
    """When its content, name or rights were last changed, which nobody can set, unlike the modification time, which a
    copy may bring along from elsewhere. Nanoseconds since 1970."""

    listed_ns: int
    """When the folder was listed, likewise."""

    @property
    def reliable_changed_ns(self) -> int | None:
        """`changed_ns`, or None when the file was so young that it can change again and keep that time."""
        return self.changed_ns if self.changed_ns + TIMESTAMP_RESOLUTION_NS <= self.listed_ns else None

    def is_unchanged(self) -> bool:
        """Whether the file still has the size and time it was listed with."""
        try:
            return _get_size_and_change_time(self.location.stat()) == (self.size_bytes, self.changed_ns)
        except OSError:
            return False


class NewFile(NamedTuple):
    """A file that the ledger does not know as it is now."""

    file: LandingFile
    is_replacement: bool
    """Whether rows of an earlier reading of the same path are loaded."""

    load_id: int
    """Number of this reading of the file."""


@dataclass
class FileLoad:
    """What reading a file tells of it; filled while it is read."""

    checksum: str = ""
    """SHA-256 of the bytes, as hexadecimal text; set when all were read."""

    bytes_read: int = 0
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    lines: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0

    def describe_detected_format(self, feed: Feed) -> str:
        """How the file turned out to be written where the feed does not say and it is not the usual; often empty."""
        found = (
            self.encoding if feed.encoding is None and self.encoding != "utf-8" else None,
            f"delimiter {self.delimiter!r}" if feed.delimiter is None and self.delimiter not in (None, ",") else None,
            f"quote {self.quote}" if feed.quote is None and self.delimiter and self.quote != '"' else None,
        )
        return ", ".join(part for part in found if part)


def find_files(feed: Feed, landing: Path) -> list[LandingFile]:
    """All finished files of a feed in path order; hidden files and those with a temporary suffix are left alone.

    Raises:
        RecomartError: The landing folder does not exist.
    """
    if not landing.is_dir():
        raise RecomartError(
            f"{landing}: no such landing folder; name one with --landing, or put the shop's files there"
        )
    now = time.time_ns()
    paths = {path for pattern in feed.files for path in landing.glob(pattern) if _has_finished_name(path.name)}
    files = []
    for path in paths:
        # One may go while the folder is listed.
        with suppress(OSError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                files.append(
                    LandingFile(
                        feed, _path_to_text(path.relative_to(landing)), path, *_get_size_and_change_time(found), now
                    )
                )
    return sorted(files, key=lambda file: file.path)


def find_unmatched_files(landing: Path, matched_files: Collection[Path]) -> list[str]:
    """Paths, relative to the landing folder, of the finished files in it that are not among those found."""
    there = {Path(folder, name) for folder, _, names in os.walk(landing) for name in names if _has_finished_name(name)}
    return sorted(_path_to_text(path.relative_to(landing)) for path in there.difference(matched_files))


def find_shared_files(files: Iterable[LandingFile]) -> dict[str, list[str]]:
    """Path of each file that was found for more than one feed, and the feeds."""
    feeds: dict[str, list[str]] = {}
    for file in files:
        feeds.setdefault(file.path, []).append(file.feed.name)
    return {path: names for path, names in sorted(feeds.items()) if len(names) > 1}


def _has_finished_name(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(UNFINISHED_SUFFIXES)


def _get_size_and_change_time(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_ctime_ns


def _path_to_text(path: Path) -> str:
    """A relative path as text that any table can hold, whatever bytes the file's name is made of."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def compute_checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_changing_files(files: Iterable[LandingFile], settle_seconds: float) -> set[str]:
    """Paths of the files that are being written; waits once, and only when there are files younger than that."""
    oldest = time.time_ns() - settle_seconds * 1e9
    young = [file for file in files if file.changed_ns > oldest]
    if young:
        time.sleep(settle_seconds)
    return {file.path for file in young if not file.is_unchanged()}
