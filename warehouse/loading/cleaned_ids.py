"""SQL expressions of ids as dbt's macro `clean_id` cleans them."""

MIN_TEXT_LENGTH = 5
"""Minimum length of an id that is searched in texts, besides columns of customer ids. A shorter one is also part of
prices and counts."""

TOKEN_SEPARATORS = (r"[\s,;|^\"''{}\[\]:]+", r"[,;|^\t]", r"\"")
"""Patterns of what is between the values of a line that cannot be parsed: ids can have blanks and colons."""

BLANKS = r"[\p{Z}\p{Cc}\p{Cf}]+"
"""Pattern of blanks, as in dbt's macro `trim_blanks`."""


def build_cleaned_id(column: str) -> str:
    """Build the expression of a cleaned id; the `.0` of numbers is always removed."""
    unquoted = f"regexp_replace({_build_trimmed(f'nfc_normalize({column})')}, '^=?\"([^\"]*)\"$', '\\1')"
    without_apostrophe = f"regexp_replace({unquoted}, '^''([0-9](?:.*[^''])?)$', '\\1')"
    return f"regexp_replace({_build_trimmed(without_apostrophe)}, '^(-?[0-9]+)[.]0$', '\\1')"


def _build_trimmed(text: str) -> str:
    return f"regexp_replace({text}, '^{BLANKS}|{BLANKS}$', '', 'g')"


def build_tokens(text: str) -> str:
    """Build the expression of the list of cleaned values in a text that are long enough to be an id."""
    splits = ", ".join(f"regexp_split_to_array({text}, '{separators}')" for separators in TOKEN_SEPARATORS)
    tokens = f"list_transform(list_concat({splits}), lambda token: {build_cleaned_id('token')})"
    return f"list_filter({tokens}, lambda token: length(token) >= {MIN_TEXT_LENGTH})"
