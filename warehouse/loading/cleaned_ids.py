"""SQL expressions of ids as dbt's macro `clean_id` cleans them, and of texts that have an id in any spelling."""

import re
import unicodedata
from collections.abc import Callable

from warehouse.sql_text import quote_literal

MIN_TEXT_LENGTH = 5
"""Minimum length of an id that is searched in texts, besides columns of customer ids. A shorter one is also part of
prices and counts."""

NUMBER_PATTERN = "[0-9.,+-]+"
"""Pattern of a complete id that is a number."""

TOKEN_SEPARATORS = (r"[\s,;|^\"'{}\[\]:]+", ",", ";", r"\|", r"\^", r"\t", r"\"")
"""Patterns of what is between the values of a line that cannot be parsed: ids can have blanks, colons, and every
delimiter but that of the line."""

QUOTED_VALUE = r'"((?:[^"\\]|\\.|"")*)(?:"|$)'
"""Pattern of a quoted value of JSON or CSV that can have quotes, which are escaped or doubled."""

CONTROL_ESCAPES = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}

BLANKS = r"[\p{Z}\p{Cc}\p{Cf}]+"
"""Pattern of blanks, as in dbt's macro `trim_blanks`."""


def build_cleaned_id(column: str) -> str:
    """Build the expression of a cleaned id; the `.0` of numbers is always removed."""
    unquoted = f"regexp_replace({_build_trimmed(f'nfc_normalize({column})')}, '^=?\"([^\"]*)\"$', '\\1')"
    without_apostrophe = f"regexp_replace({unquoted}, '^''([0-9](?:.*[^''])?)$', '\\1')"
    return f"regexp_replace({_build_trimmed(without_apostrophe)}, '^(-?[0-9]+)[.]0$', '\\1')"


def _build_trimmed(text: str) -> str:
    return f"regexp_replace({text}, '^{BLANKS}|{BLANKS}$', '', 'g')"


def build_tokens(text: str, delimiter: str | None = None) -> str:
    """Build the expression of the list of cleaned values in a text that are long enough to be an id.

    Escapes of JSON and doubled quotes of CSV are undone. `delimiter` is the declared one of the text's feed.
    """
    separators = [*TOKEN_SEPARATORS, *([re.escape(delimiter)] if delimiter else [])]
    splits = ", ".join(f"regexp_split_to_array({text}, {quote_literal(separator)})" for separator in separators)
    values = f"list_concat({splits}, regexp_extract_all({text}, '{QUOTED_VALUE}', 1))"
    # Duplicate and short values take two thirds of the time.
    values = f"list_distinct(list_filter({values}, lambda value: strlen(value) >= {MIN_TEXT_LENGTH}))"
    json_text = """'"' || value || '"'"""
    spellings = f"""
        flatten(list_transform({values}, lambda value: [
            value,
            case when contains(value, '""') then replace(value, '""', '"') end,
            case when contains(value, '\\') and json_valid({json_text}) then json_extract_string({json_text}, '$') end
        ]))
    """
    tokens = f"list_transform({spellings}, lambda value: {build_cleaned_id('value')})"
    return f"list_filter({tokens}, lambda value: length(value) >= {MIN_TEXT_LENGTH})"


def build_can_have_id(text: str) -> str:
    """Build the condition without which no spelling of the id `$user_id` is in a text.

    It takes an eighth of the time of the regular expression, except for an id with quotes, which CSV doubles.
    """
    has_quote = """regexp_matches($user_id, '[''"]')"""
    return f"(contains(nfc_normalize({text}), $user_id) or contains({text}, '\\') or {has_quote})"


def is_text_searched(user_id: str) -> bool:
    """Return whether an id is searched in texts: short ones and numbers are also prices, counts and other ids."""
    return len(user_id) >= MIN_TEXT_LENGTH and not re.fullmatch(NUMBER_PATTERN, user_id)


def build_id_pattern(user_id: str, encode: Callable[[str], str] = str) -> str:
    """Return the regular expression of an id that is no part of a longer word or of an e-mail address.

    It finds composed and decomposed characters, and escapes of JSON and CSV. Python and DuckDB understand it. `encode`
    returns a character as the text has it.
    """
    word = "[^0-9A-Za-z_@.+-]"
    return rf"(?:^|{word}|\\[bfnrt]|\\u[0-9A-Fa-f]{{4}}){spell_id(user_id, encode)}[.+]?(?:$|{word})"


def spell_id(user_id: str, encode: Callable[[str], str] = str) -> str:
    """Return the regular expression of all spellings of a text."""
    return "".join(
        f"(?:{'|'.join(''.join(_spell_character(part, encode) for part in form) for form in forms)})"
        for forms in (dict.fromkeys([character, unicodedata.normalize("NFD", character)]) for character in user_id)
    )


def _spell_character(character: str, encode: Callable[[str], str]) -> str:
    code_units = re.findall("....", character.encode("utf-16-be", "surrogatepass").hex())
    escaped = re.escape(encode(character))
    spellings = [escaped, "".join(rf"\\u(?i:{unit})" for unit in code_units)]
    if character in CONTROL_ESCAPES:
        spellings.append(rf"\\{CONTROL_ESCAPES[character]}")
    elif character.isascii() and not character.isalnum():
        # PHP escapes slashes in JSON.
        spellings.append(rf"\\{escaped}")
    if character in "\"'":
        spellings.append(escaped * 2)
    return f"(?:{'|'.join(spellings)})"
