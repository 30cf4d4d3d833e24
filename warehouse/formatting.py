"""Text formatting that the messages of all packages share."""

import re
from collections.abc import Sequence

MAX_LISTED_NAMES = 30
"""Maximum number of names that a message lists."""


UNPRINTABLE_PATTERN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb\ufffe\uffff]"
)
"""Characters that control a terminal, or the direction of a text, instead of being shown; and half surrogates."""


def make_printable(text: str) -> str:
    """Replace the control characters of a text by their escapes."""
    return UNPRINTABLE_PATTERN.sub(lambda match: repr(match[0])[1:-1], text)


def make_lines_printable(text: str) -> str:
    """Replace the control characters of a text by escapes, except its line ends."""
    return "\n".join(map(make_printable, text.split("\n")))


def format_count(count: float, noun: str, plural: str = "") -> str:
    """Format a count with its noun: '1 file', '0 files', '1,024 files'. The plural is by default the noun with an s."""
    return f"{count:,.0f} {noun if count == 1 else plural or noun + 's'}"


def format_names(names: Sequence[str]) -> str:
    """Format names from a file as one printable line."""
    printable_names = [name if name.isprintable() else repr(name) for name in names[:MAX_LISTED_NAMES]]
    return ", ".join(name[:60] for name in printable_names) + (" and others" if len(names) > MAX_LISTED_NAMES else "")
