"""Tests of values: how well they fit a column, from 0 (not at all) to 1, and how times and numbers are written."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import duckdb

from warehouse.drafting.name_words import fold

Values = Sequence[Any]

MIN_SHARE = 0.8
"""Share of values, or of rows, that must pass a test: in most files some are damaged or missing."""

MIN_EVIDENCE = 20
"""Number of values from which it means something that they are all equal, or all different; few are so by chance."""

WEAK_FIT = 0.5
"""How well values fit that are possible in a column, but unlikely."""

MAX_TESTED_VALUES = 300
"""Number of values whose times are parsed in all formats."""

ISO_PATTERN = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2}|\d{4}(0[1-9]|1[0-2])([0-2]\d|3[01]))"
    r"(?P<time>[T ]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)? ?(?P<zone>Z|[-+]\d{2}(:?\d{2})?|[A-Z]{3,4}|[A-Z][a-z]+/\w+)?)?",
    re.I,
)
MIDNIGHT_PATTERN = re.compile(r"[T ]00:?00(:?00([.,]0+)?)?$")

EPOCH_RANGE = (631_152_000, 4_102_444_800)
EPOCH_UNITS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}

DAY_FORMATS = ("%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y")
MORE_FORMATS = (
    *("%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
    *("%a, %d %b %Y", "%Y-%m-%d"),
)
HOUR_FORMATS = (
    *("", " %H:%M:%S", " %H:%M", ", %H:%M:%S", ", %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S %z", " %H.%M"),
)
TIME_FORMATS = (
    *(f"{day}{hour}" for day in (*DAY_FORMATS, *MORE_FORMATS) for hour in HOUR_FORMATS if f"{day}{hour}" != "%Y-%m-%d"),
    *("%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H"),
)
"""Formats besides ISO 8601 that are tried, as strptime has them; days precede months where both are possible."""

PRODUCT_STRUCTURES = "simple variable variation configurable grouped bundle virtual external"
"""Values that shop systems have in a column of product types, which are no categories."""

AVAILABILITY_PATTERN = re.compile(
    r"-?\d+([.]\d+)?|true|false|yes|no|.*(stock|avail|order|sold|active|abled|publish|archived|draft|discontinued).*",
    re.I,
)
"""Stock counts and words of availability. They distinguish availability from other columns only: the build decides
what a word means, and `recomart sources check` shows the words that it does not understand."""

FOREIGN_AVAILABILITY_WORDS = {
    "available": "ja oui si sim lieferbar verfugbar vorratig auflager disponible enstock",
    "unavailable": "nein non nao ausverkauft vergriffen nichtlieferbar agotado rupture epuise",
}
"""Words of availability that must be declared, folded and without blanks."""

TRUTH_WORDS = {"0": "1", "false": "true", "f": "t", "no": "yes", "n": "y"}
"""The word for true by the word for false."""


class TimeFormat(NamedTuple):
    """How times are written."""

    name: str
    """A value of `timestamp_formats`."""

    has_zone: bool
    has_time_of_day: bool
    doubt: str | None = None


def fold_word(text: str) -> str:
    """Return a text in lower case without accents, blanks, hyphens and underscores."""
    return re.sub("[ _-]", "", fold(text))


def is_mostly(values: Values, is_true: Callable[[str], Any]) -> bool:
    """Return whether a function of the text is true for most values."""
    return bool(values) and sum(bool(is_true(str(value).strip())) for value in values) >= MIN_SHARE * len(values)


def measure_pattern(pattern: str) -> Callable[[Values], float]:
    """Make the test of values that match a pattern in any casing."""
    return lambda values: is_mostly(values, re.compile(pattern, re.I).fullmatch)


measure_times_of_day = measure_pattern(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AP]M)?")
measure_emails = measure_pattern(r"[^@\s]+@[^@\s]+\.\w+")
measure_numbers = measure_pattern(r"[-+(]?[^0-9]{0,4}[0-9][0-9.,'  ]*[^0-9]{0,4}")
measure_money = measure_pattern(r"[-+]?[0-9.,'  ]*[0-9][.,][0-9]{1,2}")
measure_margins = measure_pattern(r"-?(0?[.,]\d+|[01]([.,]0+)?|\d{1,2}([.,]\d+)? ?%)")
measure_urls = measure_pattern(r"https?://\S+")
measure_currencies = measure_pattern(r"[A-Z]{3}|[€$£¥₹₽zł]{1,2}|Kč|kr\.?")


def has_few_values(values: Values) -> bool:
    """Return whether values are words of a short list, such as types, and not texts that differ."""
    return len(set(map(str, values))) <= max(MIN_EVIDENCE, (1 - MIN_SHARE) * len(values))


def is_constant(values: Values) -> bool:
    """Return whether many values are all equal."""
    return len(values) >= MIN_EVIDENCE and len(set(map(str, values))) == 1


def measure_ids(values: Values) -> float:
    """Test ids: not always the same, no sentences, no numbers with decimals."""
    is_sentence = is_mostly(values, lambda text: " " in text or text in ("True", "False"))
    is_decimal = is_mostly(values, lambda text: re.fullmatch(r"-?\d+[.,](?!0+$)\d{1,2}", text))
    return not (is_constant(values) or is_sentence or is_decimal)


def measure_labels(values: Values) -> float:
    """Test texts for people: words are better than numbers, and links are none."""
    if is_mostly(values, lambda text: "://" in text):
        return 0
    return 1 if is_mostly(values, lambda text: re.search(r"[^\W\d_]", text)) else WEAK_FIT


def measure_names(values: Values) -> float:
    """Test names of products: texts with letters, not always the same."""
    return not is_constant(values) and measure_labels(values) == 1


def measure_categories(values: Values) -> float:
    """Test categories; the structure of a product is none."""
    return 0 if is_mostly(values, lambda text: fold(text) in PRODUCT_STRUCTURES.split()) else measure_labels(values)


def measure_event_types(values: Values) -> float:
    """Test event types: few different words."""
    return has_few_values(values) and not any(re.search(r"://|^\d{3,}$|@", str(value)) for value in values)


def measure_availability(values: Values) -> float:
    """Test availability: words that RecoMart or a declaration understands, or stock counts."""
    foreign_words = " ".join(FOREIGN_AVAILABILITY_WORDS.values()).split()
    return is_mostly(values, lambda text: AVAILABILITY_PATTERN.fullmatch(text) or fold_word(text) in foreign_words)


def measure_times(values: Values) -> float:
    """Test times; dates are worse than times."""
    time_format = guess_time_format(values)
    return 0 if time_format is None else 1 if time_format.has_time_of_day else WEAK_FIT


def measure_small_counts(values: Values) -> float:
    """Test values without a name for quantities: small numbers, mostly one."""
    is_count = is_mostly(values, lambda text: re.fullmatch(r"-?[1-9]\d?", text))
    return is_count and Counter(map(str, values)).most_common(1)[0][0] == "1"


def guess_time_format(values: Values) -> TimeFormat | None:
    """Guess how times are written; None if the values are no times."""
    return _guess_time_format(tuple(str(value).strip() for value in values[:MAX_TESTED_VALUES]))


@lru_cache(maxsize=512)
def _guess_time_format(texts: tuple[str, ...]) -> TimeFormat | None:
    if not is_mostly(texts, lambda text: len(text) < 45 and re.search(r"\d.*\d", text)):
        return None
    min_count = MIN_SHARE * len(texts)
    iso_matches = [ISO_PATTERN.fullmatch(text) for text in texts]
    days = [match for match in iso_matches if match and "1990" <= match["day"][:4] <= "2100"]
    if len(days) >= min_count:
        has_time_of_day = any(match["time"] and not MIDNIGHT_PATTERN.match(match["time"]) for match in days)
        return TimeFormat("iso", all(match["zone"] for match in days), has_time_of_day)
    parsed_counts = _count_parsed(texts)
    fitting = [name for name, count in parsed_counts.items() if count >= min_count]
    if fitting:
        best = max(fitting, key=lambda name: (parsed_counts[name], -TIME_FORMATS.index(name)))
        swapped = best.translate(str.maketrans("dm", "md"))
        is_ambiguous = swapped != best and parsed_counts.get(swapped) == parsed_counts[best]
        doubt = f"Every day is at most 12, so {swapped} fits as well. Ask the shop." if is_ambiguous else None
        return TimeFormat(best, "%z" in best.lower(), "H" in best or "I" in best, doubt)
    numbers = [float(text) for text in texts if re.fullmatch(r"\d{9,19}([.]\d+)?", text)]
    for unit, factor in EPOCH_UNITS.items():
        if sum(EPOCH_RANGE[0] <= number / factor <= EPOCH_RANGE[1] for number in numbers) >= min_count:
            return TimeFormat(unit, has_zone=True, has_time_of_day=True)
    return None


def _count_parsed(texts: Values) -> dict[str, int]:
    """Count the texts that each format parses, to a year that a shop's file can have."""
    counts = [f"count(*) filter (year(try_strptime(value, '{name}')) between 1990 and 2100)" for name in TIME_FORMATS]
    query = f"select {', '.join(counts)} from (select unnest(?::varchar[]) as value)"
    (row,) = duckdb.cursor().execute(query, [list(texts)]).fetchall()
    return dict(zip(TIME_FORMATS, map(int, row), strict=True))


def guess_number_settings(values: Values) -> tuple[dict[str, Any], str | None]:
    """Guess the settings `decimal` and `thousands` of numbers, with a doubt or None."""
    texts = [re.sub(r"[^0-9.,]", "", str(value)) for value in values if isinstance(value, str)]

    def count(pattern: str) -> int:
        return sum(re.fullmatch(pattern, text) is not None for text in texts)

    comma_decimals = count(r"[0-9.]*,([0-9]{1,2}|[0-9]{4,})")
    point_decimals = count(r"[0-9,]*[.]([0-9]{1,2}|[0-9]{4,})")
    comma_thousands = count(r"[0-9]{1,3}(,[0-9]{3})+([.][0-9]*)?")
    point_thousands = count(r"[0-9]{1,3}([.][0-9]{3})+")
    if comma_decimals > point_decimals:
        return {"decimal": ","}, None
    if comma_thousands:
        doubt = None if point_decimals else "Numbers such as 1,500 have either thousands or decimals. Ask the shop."
        return {"thousands": ","}, doubt
    if point_thousands and not point_decimals:
        return {"decimal": ","}, "Numbers such as 1.500 have either thousands or decimals. Ask the shop."
    return {}, None
