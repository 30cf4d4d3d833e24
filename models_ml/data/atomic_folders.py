"""Folders that are written completely or not at all."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUCCESSOR_SUFFIX, REPLACED_SUFFIX = ".successor", ".replaced"
"""Suffixes of a folder that will replace another one, and of one that is replaced."""


@contextmanager
def create_folder_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, and rename it to `path` at the end of the block; an error in the block removes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The mode follows the umask; only the owner could read a folder of tempfile.mkdtemp.
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    temporary.mkdir()
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(path: Path, write_successor: Callable[[Path], None]) -> None:
    """Replace a folder by the one that `write_successor` writes; `complete_replacements` repairs a killed call."""
    write_successor(path.with_name(path.name + SUCCESSOR_SUFFIX))
    complete_replacements(path.parent)


def complete_replacements(folder: Path) -> None:
    """Complete the replacements of a killed `replace_folder` in `folder`."""
    for successor in folder.glob(f"*{SUCCESSOR_SUFFIX}"):
        path = successor.with_name(successor.name.removesuffix(SUCCESSOR_SUFFIX))
        if path.exists():
            path.rename(path.with_name(path.name + REPLACED_SUFFIX))
        successor.rename(path)
    for replaced in folder.glob(f"*{REPLACED_SUFFIX}"):
        shutil.rmtree(replaced)


def remove_folder_atomically(path: Path) -> None:
    """Remove a folder; what a killed call leaves is an unfinished folder."""
    removed = path.with_name(f".{path.name}-removed")
    path.rename(removed)
    shutil.rmtree(removed)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary folders of killed writers from `folder`; no writer may be active there."""
    for unfinished in folder.glob(".*-*"):
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
