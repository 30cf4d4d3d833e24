"""Texts of the address, of data and of errors inside what Streamlit reads as Markdown."""

import re

WORD_JOINER = "\u2060"
"""Invisible; a link or an emoji's name that it stands in is none."""

# Streamlit looks for these in what escapes have become, too, so that a backslash does not stop it.
LINK_AND_EMOJI_PATTERN = re.compile(r"(?<=:)(?=\S)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
PUNCTUATION_PATTERN = re.compile(r"([!-/:-@\[-`{-~])")


def escape_markdown(text: str) -> str:
    """The text as Markdown that shows it as it is: no link, picture, formula, colour or HTML comes of it."""
    one_line = " ".join(text.split())
    return PUNCTUATION_PATTERN.sub(r"\\\1", LINK_AND_EMOJI_PATTERN.sub(WORD_JOINER, one_line))
