"""Texts of the address, of data and of errors inside what Streamlit reads as Markdown."""

import re

WORD_JOINER = "\u2060"
"""Invisible; a link or an emoji's name that it stands in is none."""

# Streamlit looks for these in what escapes have become, too, so that a backslash does not stop it.
LINKS_AND_EMOJIS = re.compile(r"(?<=:)(?=\S)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def literal(text: str) -> str:
    """The text as Markdown that shows it as it is: no link, picture, formula, colour or HTML comes of it."""
    one_line = " ".join(text.split())
    return PUNCTUATION.sub(r"\\\1", LINKS_AND_EMOJIS.sub(WORD_JOINER, one_line))
