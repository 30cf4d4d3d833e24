"""Folders that are there whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def create_folder_atomically(path: Path) -> Iterator[Path]:
    """Hand out an empty folder that becomes `path` when the block ends well, and that is gone when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left of a whole folder in `folder`; nobody may be writing there."""
    for left in folder.glob(".*-*"):
        if left.is_dir():
            shutil.rmtree(left)
