"""Text formatting that the messages of all packages share."""

from collections.abc import Sequence

MAX_LISTED_NAMES = 30
"""Maximum number of names that a message lists."""


def format_count(count: int, noun: str) -> str:
    """Format a count with its noun: '1 file', '0 files', '1,024 files'. The plural of the noun must end in s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_names(names: Sequence[str]) -> str:
    """Format names from a file as one printable line."""
    shown = [name if name.isprintable() else repr(name) for name in names[:MAX_LISTED_NAMES]]
    return ", ".join(name[:60] for name in shown) + (" and others" if len(names) > MAX_LISTED_NAMES else "")
