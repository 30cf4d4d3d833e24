"""Landing files on the disk: which files match a feed's globs, and which are changing."""

import os
import stat
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from warehouse.errors import RecomartError
from warehouse.settings import LOG_FOLDER, Settings
from warehouse.sources.declaration import Feed

UNFINISHED_SUFFIXES = (".part", ".tmp", ".partial", ".crdownload")

TIMESTAMP_RESOLUTION_NS = 2_000_000_000
"""Coarsest resolution of file times in common file systems: two seconds."""


class UnreadableFileError(Exception):
    """A file cannot be read; the message contains the reason."""

    is_lasting = True
    """Whether the same file cannot be read by the next load either."""


class FileAccessError(UnreadableFileError):
    """A file must not or cannot be opened; the next load tries again."""

    is_lasting = False


class ChangingFileError(Exception):
    """A file changed or disappeared after it was listed; the next load reads it."""


@dataclass(frozen=True)
class LandingFile:
    """A file of a feed as it was when the landing folder was listed."""

    feed: Feed
    path: str
    """Relative to the landing folder, with forward slashes."""

    location: Path
    size_bytes: int

    changed_ns: int
    """Time of the last change of content, name or permissions, in nanoseconds since 1970. Unlike the modification time,
    it cannot be set, and a copy does not keep it."""

    listed_ns: int
    """Time when the folder was listed or the file was last checked, in nanoseconds since 1970."""

    file_id: tuple[int, int]
    """Device and inode of the file, by which another file in its place is recognized."""

    problem: str | None = None
    """Why the file must not be opened."""

    @property
    def reliable_changed_ns(self) -> int | None:
        """`changed_ns`, or None for a file so new that a later change could have the same time.

        A file of a log gets its name when it is complete.
        """
        is_old = self.changed_ns + TIMESTAMP_RESOLUTION_NS <= self.listed_ns
        return self.changed_ns if is_old or self.feed.is_log else None

    def is_unchanged(self) -> bool:
        """Return whether the file has the same size and change time as when it was listed."""
        try:
            return bool(self.problem) or _get_size_and_change_time(self.location.stat()) == (
                self.size_bytes,
                self.changed_ns,
            )
        except OSError:
            return False


class NewFile(NamedTuple):
    """A file to load: `raw.loaded_files` does not have it, or has an earlier version."""

    file: LandingFile
    is_replacement: bool
    """Whether the warehouse has rows of an earlier load of the same path."""

    load_id: int
    """Id of this load of the file."""


@dataclass
class FileLoad:
    """Checksum, detected format and row counts of one load of a file; filled while the file is read."""

    checksum: str = ""
    """SHA-256 of the file as hexadecimal text; set at the end of the file."""

    bytes_read: int = 0
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    lines: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    decimal_id_columns: list[str] = field(default_factory=list)
    """Id columns in which a row has a number with decimals; set when the rows are written."""

    def describe_detected_format(self, feed: Feed) -> str:
        """Describe the detected encoding, delimiter and quote, except declared and default ones; often empty."""
        parts = (
            self.encoding if feed.encoding is None and self.encoding != "utf-8" else None,
            f"delimiter {self.delimiter!r}" if feed.delimiter is None and self.delimiter not in (None, ",") else None,
            f"quote {self.quote}" if feed.quote is None and self.delimiter and self.quote != '"' else None,
        )
        return ", ".join(part for part in parts if part)


def find_files(feed: Feed, landing: Path, linked_folders: Collection[Path] = ()) -> list[LandingFile]:
    """Find the complete files of a feed in path order; hidden files and files with a temporary suffix are skipped.

    A symbolic link that leads out of the landing folder has a problem, unless it leads into one of `linked_folders`. So
    has a link to no file, and a pipe, socket or device.

    Raises:
        RecomartError: The landing folder does not exist.
    """
    if not landing.is_dir():
        raise RecomartError(
            f"{landing}: no such landing folder. Name one with --landing, or put the shop's files there"
        )
    now = time.time_ns()
    paths = {path for pattern in feed.files for path in landing.glob(pattern) if _has_finished_name(path.name)}
    if not feed.is_log:
        log_folder = landing / LOG_FOLDER
        paths = {path for path in paths if not path.is_relative_to(log_folder)}
    allowed_folders = [folder.resolve() for folder in (landing, *linked_folders)]
    # Resolving each path takes longer than the rest of this function.
    is_inside = {folder: _is_inside(folder.resolve(), allowed_folders) for folder in {path.parent for path in paths}}
    files = []
    for path in paths:
        # A file can disappear while the folder is listed.
        with suppress(OSError):
            file_stat, problem = path.lstat(), None
            if stat.S_ISLNK(file_stat.st_mode) or not is_inside[path.parent]:
                problem = find_link_problem(path, allowed_folders)
                file_stat = file_stat if problem else path.stat()
            if stat.S_ISDIR(file_stat.st_mode) or (problem and path.is_dir()):
                continue
            if problem is None and not stat.S_ISREG(file_stat.st_mode):
                problem = "it is a pipe, a socket or a device, and no file. Remove it"
            relative_path = _format_path(path.relative_to(landing))
            files.append(make_landing_file(feed, relative_path, path, file_stat, listed_ns=now, problem=problem))
    return sorted(files, key=lambda file: file.path)


def find_feed_files(feeds: Iterable[Feed], settings: Settings) -> dict[str, list[LandingFile]]:
    """Find the complete files of feeds, by feed; see `find_files`."""
    return {feed.name: find_files(feed, settings.landing_dir, settings.linked_folders) for feed in feeds}


def find_link_problem(path: Path, allowed_folders: Collection[Path]) -> str | None:
    """Describe why the symbolic links of a path must not be followed, or return None; the folders are resolved."""
    target = Path(os.path.realpath(path))
    if not _is_inside(target, allowed_folders):
        return (
            f"a symbolic link leads out of the landing folder, to {target}. Put the file into the landing folder, or "
            "add the folder that the link leads to to RECOMART_LINKED_FOLDERS"
        )
    try:
        path.stat()
    except OSError as error:
        return f"the symbolic link leads to no file: {error.strerror}. Correct or remove it"
    return None


def _is_inside(path: Path, folders: Collection[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def make_landing_file(
    feed: Feed,
    path: str,
    location: Path,
    file_stat: os.stat_result,
    *,
    listed_ns: int = 0,
    problem: str | None = None,
) -> LandingFile:
    """Make the entry of a file with this status."""
    file_id = (file_stat.st_dev, file_stat.st_ino)
    return LandingFile(feed, path, location, *_get_size_and_change_time(file_stat), listed_ns, file_id, problem)


def open_landing_file(file: LandingFile) -> BufferedReader:
    """Open a listed file for reading.

    Raises:
        UnreadableFileError: The file has a problem, or the system cannot open it.
        ChangingFileError: The file disappeared, or its path now leads to another file, such as one outside the landing
            folder.
    """
    if file.problem:
        raise FileAccessError(file.problem)
    try:
        # A pipe that replaced the file would block without the flag.
        opened = os.fdopen(os.open(file.location, os.O_RDONLY | os.O_NONBLOCK), "rb")
    except FileNotFoundError as error:
        raise ChangingFileError from error
    except OSError as error:
        raise FileAccessError(f"the file cannot be read: {error}") from error
    opened_stat = os.fstat(opened.fileno())
    if (opened_stat.st_dev, opened_stat.st_ino) != file.file_id:
        opened.close()
        raise ChangingFileError
    return opened


def find_unmatched_files(landing: Path, matched_files: Collection[Path]) -> list[str]:
    """Find the complete files in the landing folder that no feed's globs match; return their relative paths."""
    files = {Path(folder, name) for folder, _, names in os.walk(landing) for name in names if _has_finished_name(name)}
    return sorted(_format_path(path.relative_to(landing)) for path in files.difference(matched_files))


def find_shared_files(files: Iterable[LandingFile]) -> dict[str, list[str]]:
    """Find the files that the globs of more than one feed match; return the names of the feeds by path."""
    feeds: dict[str, list[str]] = {}
    for file in files:
        feeds.setdefault(file.path, []).append(file.feed.name)
    return {path: names for path, names in sorted(feeds.items()) if len(names) > 1}


def _has_finished_name(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(UNFINISHED_SUFFIXES)


def _get_size_and_change_time(file_stat: os.stat_result) -> tuple[int, int]:
    return file_stat.st_size, file_stat.st_ctime_ns


def _format_path(path: Path) -> str:
    """Convert a relative path to valid Unicode text; undecodable bytes of the name become escapes."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def find_changing_files(files: Iterable[LandingFile], settle_seconds: float) -> set[str]:
    """Find the changing files; if any file is younger than `settle_seconds`, wait that long."""
    min_changed_ns = time.time_ns() - settle_seconds * 1e9
    # A run loads the log of its publication at once, and the service completes files at any time.
    young_files = [file for file in files if file.changed_ns > min_changed_ns and not file.feed.is_log]
    if young_files:
        time.sleep(settle_seconds)
    return {file.path for file in young_files if not file.is_unchanged()}
