"""Words of messages that every room gives."""

from collections.abc import Sequence

MOST_NAMES = 30
"""Names that a message lists."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: '1 file', '0 files', '1,024 files'; nouns that take an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Names out of a file: printable, and not more than a line."""
    shown = [name if name.isprintable() else repr(name) for name in names[:MOST_NAMES]]
    return ", ".join(name[:60] for name in shown) + (" and others" if len(names) > MOST_NAMES else "")
