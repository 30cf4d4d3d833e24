"""Customers of rejected records: broken texts, of which some values can be read."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import duckdb

from warehouse.loading.cleaned_ids import build_cleaned_id
from warehouse.sources.columns import Constant, get_source_names, split_json_path
from warehouse.sources.declaration import Feed

BATCH_ROWS = 10_000

JSON_TOKEN_PATTERN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}:"]|[\[\],]|[^\s{}\[\]:,"]+', re.DOTALL)
"""A text, a mark or another value of JSON; a quotation mark alone begins a text without an end."""


class RejectedText(NamedTuple):
    """A rejected record whose text may have the id of a customer."""

    feed: str
    path: str
    line: int
    text: str

    ids: Sequence[str]
    """Cleaned ids that are looked for in the value of the customer."""

    has_id: bool
    """Whether the text has one of the ids anywhere, which decides if the value of the customer cannot be read."""


def filter_by_customer(
    connection: duckdb.DuckDBPyConnection, feeds: Mapping[str, Feed], texts: Iterable[RejectedText]
) -> Iterator[RejectedText]:
    """Yield the rejected records of the customers with the ids.

    Of a record in which the value of the customer can be read, that value decides: the id can also be the one of a
    product or order. Of all others, the id anywhere in the text decides.
    """
    cursor = connection.cursor()
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH_ROWS)):
        values = [read_user_values(feeds.get(text.feed), text.text) for text in batch]
        query = f"select value, {build_cleaned_id('value')} from (select distinct unnest(?::varchar[]) as value)"
        cleaned = dict(cursor.execute(query, [[value for row in values for value in row]]).fetchall())
        for text, row in zip(batch, values, strict=True):
            if any(cleaned[value] in text.ids for value in row) if row else text.has_id:
                yield text


def read_user_values(feed: Feed | None, text: str) -> list[str]:
    """Return the values of the customer's key in a broken JSON record; none if none is complete.

    Lines of CSV have no names of columns, and a broken one can have too many or too few values.
    """
    names = get_source_names(feed.columns.get("user_id", Constant(value=""))) if feed else ()
    if feed is None or feed.format == "csv" or len(names) != 1:
        return []
    path = list(split_json_path(names[0]))
    keys: list[str] = []
    values = []
    before = before_that = ""
    for match in JSON_TOKEN_PATTERN.finditer(text):
        token = match[0]
        if token == "{":
            keys.append("")
        elif token == "}" and keys:
            keys.pop()
        elif token == ":" and keys and before.startswith('"'):
            keys[-1] = _parse_text(before)
        elif before == ":" and before_that.startswith('"') and keys == path and token not in '[]},"':
            if token.startswith('"'):
                values.append(_parse_text(token))
            elif match.end() < len(text) and token != "null":
                values.append(token)
        before_that, before = before, token
    return values


def _parse_text(token: str) -> str:
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        # An escape is invalid.
        return token[1:-1]
