"""Words of messages that every room gives."""

from collections.abc import Sequence

MAX_LISTED_NAMES = 30
"""Names that a message lists."""


def format_count(count: int, noun: str) -> str:
    """A number with its noun: '1 file', '0 files', '1,024 files'; nouns that take an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_names(names: Sequence[str]) -> str:
    """Names out of a file: printable, and not more than a line."""
    shown = [name if name.isprintable() else repr(name) for name in names[:MAX_LISTED_NAMES]]
    return ", ".join(name[:60] for name in shown) + (" and others" if len(names) > MAX_LISTED_NAMES else "")
