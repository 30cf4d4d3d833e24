"""Escaping and shortening of texts that Streamlit reads as Markdown."""

import re

WORD_JOINER = "\u2060"
"""Invisible character that breaks links and emoji names."""

# Streamlit finds links and emoji names also in escaped text, so a backslash does not stop it.
LINK_AND_EMOJI_PATTERN = re.compile(r"(?<=:)(?=\S)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
PUNCTUATION_PATTERN = re.compile(r"([!-/:-@\[-`{-~])")


def escape_markdown(text: str) -> str:
    """Return Markdown that shows the text literally, without links, images, formulas, colours or HTML."""
    one_line = " ".join(text.split())
    return PUNCTUATION_PATTERN.sub(r"\\\1", LINK_AND_EMOJI_PATTERN.sub(WORD_JOINER, one_line))


def shorten_text(text: str, max_length: int) -> str:
    """Return a text of at most this length, with an ellipsis instead of the middle of a longer one."""
    if len(text) <= max_length:
        return text
    tail_length = max_length // 3
    return f"{text[: max_length - tail_length - 1]}…{text[-tail_length:]}"
