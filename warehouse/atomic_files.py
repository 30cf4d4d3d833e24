"""Text files that are written completely or not at all."""

from pathlib import Path


def write_text_atomically(file: Path, text: str) -> None:
    """Write a text file under another name and rename it, so that readers never see a part of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)
