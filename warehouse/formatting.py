"""Text formatting that the messages of all packages share."""

from collections.abc import Sequence

MAX_LISTED_NAMES = 30
"""Maximum number of names that a message lists."""


def format_count(count: float, noun: str, plural: str = "") -> str:
    """Format a count with its noun: '1 file', '0 files', '1,024 files'. The plural is by default the noun with an s."""
    return f"{count:,.0f} {noun if count == 1 else plural or noun + 's'}"


def format_names(names: Sequence[str]) -> str:
    """Format names from a file as one printable line."""
    printable_names = [name if name.isprintable() else repr(name) for name in names[:MAX_LISTED_NAMES]]
    return ", ".join(name[:60] for name in printable_names) + (" and others" if len(names) > MAX_LISTED_NAMES else "")
