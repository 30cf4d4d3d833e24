"""Files that are written completely or not at all."""

import os
from pathlib import Path


def flush_to_disk(file: Path) -> None:
    """Write the buffered content of a closed file to the disk."""
    with file.open("rb") as content:
        os.fsync(content.fileno())


def write_text_atomically(file: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a text file under another name to the disk and rename it, so that readers never see a part of it.

    `mode` has the permissions that the file gets, without those that the umask takes away.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    # A file in this place may be a link, or have another mode.
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, mode)) as content:
        content.write(text)
        content.flush()
        os.fsync(content.fileno())
    unfinished.replace(file)
