"""Copies of files and folders that leave out unfinished work and stop before the disk is full."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from warehouse.atomic_files import flush_to_disk
from warehouse.disk_full import describe_disk_full_error
from warehouse.errors import DiskFullError


def find_finished_files(path: Path, is_followed: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """Yield a file, or the files below a folder, without locks and the unfinished files of writers.

    Of the symbolic links to folders, those are followed for which `is_followed` returns True.
    """
    if path.is_file():
        yield path
    for folder, subfolders, names in os.walk(path, followlinks=True):
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not _is_unfinished(name) and (not (link := Path(folder, name)).is_symlink() or is_followed(link))
        )
        yield from (Path(folder, name) for name in sorted(names) if not _is_unfinished(name))


def _is_unfinished(name: str) -> bool:
    return (name.startswith(".") and name != ".demo.json") or name.endswith((".lock", ".part", ".tmp", ".tmp.wal"))


def check_disk_space(folder: Path, needed_bytes: int) -> None:
    """Check that the disk of a folder has space for some bytes.

    Raises:
        DiskFullError: It has less.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise DiskFullError(
            f"{folder}: cannot write {needed_bytes >> 20:,} MiB: only {free_bytes >> 20:,} MiB are free. Free some "
            "space, or name a folder on another disk"
        )


def copy_files(files: Iterable[tuple[Path, Path]], folder: Path) -> None:
    """Copy each pair's first file to the second, with its change time, and write both to the disk.

    Raises:
        DiskFullError: The disk of the folder, which has the copies, is full.
    """
    try:
        for source, target in files:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            flush_to_disk(target)
    except OSError as error:
        if message := describe_disk_full_error(str(error), folder):
            raise DiskFullError(message) from error
        raise


def move_file(source: Path, target: Path) -> None:
    """Move a file to a place that has none, on the same or another disk; no reader sees a part of it.

    Raises:
        DiskFullError: The disk of the target is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        unfinished = target.with_name(f".{target.name}.unfinished")
        copy_files([(source, unfinished)], target.parent)
        unfinished.replace(target)
        source.unlink()
