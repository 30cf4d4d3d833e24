"""Folders that are written completely or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def create_folder_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, and rename it to `path` at the end of the block; an error in the block removes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    temporary.mkdir()
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary folders of killed writers from `folder`; no writer may be active there."""
    for unfinished in folder.glob(".*-*"):
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
