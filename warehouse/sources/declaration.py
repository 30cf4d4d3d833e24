"""What a shop sends, as its YAML file declares it: files, format, column mapping, time zone, event aliases."""

import codecs
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import duckdb
from pydantic import BeforeValidator, Field, model_validator

from warehouse.sources.rest_api import Api, DeclarationModel

FeedKind = Literal["events", "purchases", "products"]
EventType = Literal["view", "click", "add_to_cart", "remove_from_cart", "purchase"]

PRODUCT_ATTRIBUTES = ("product_name", "category", "brand")

RAW_COLUMNS: Mapping[FeedKind, tuple[str, ...]] = {
    "events": (
        *("event_id", "user_id", "product_id", "event_type", "event_at", "device", "session_id"),
        *("transaction_id", "quantity", "price", *PRODUCT_ATTRIBUTES),
    ),
    "purchases": ("transaction_id", "user_id", "product_id", "quantity", "price", "purchased_at", *PRODUCT_ATTRIBUTES),
    "products": ("product_id", *PRODUCT_ATTRIBUTES, "price", "popularity_score", "is_available", "updated_at"),
}
"""The columns of each raw table that a mapping may fill, in table order."""

REQUIRED_COLUMNS: Mapping[FeedKind, tuple[str, ...]] = {
    "events": ("user_id", "product_id", "event_type", "event_at"),
    "purchases": ("product_id", "purchased_at"),
    "products": ("product_id",),
}
"""The columns without which no row of a feed could mean anything."""


NO_QUOTE = "none"
"""Declares that quotes are letters like others."""

LINE_END_CHARS = "\r\n"

PATH_STEP_PATTERN = re.compile(r"\.(?:(\w+)|(\"(?:[^\"\\]|\\.)*\"))")


def split_json_path(name: str) -> tuple[str, ...]:
    """The keys that lead to a value in a JSON object: `$.product.id` and `$."product.v2".id` are paths, others keys.

    Raises:
        ValueError: It begins with `$.` and is no path.
    """
    if not name.startswith("$."):
        return (name,)
    keys, at = [], 1
    while at < len(name):
        step = PATH_STEP_PATTERN.match(name, at)
        if not step:
            raise ValueError(f"'{name}' is no path of keys such as $.product.id or $.\"product.v2\".id")
        keys.append(step[1] or str(json.loads(step[2])))
        at = step.end()
    return tuple(keys)


def _wrap_in_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


OneOrMany = Annotated[tuple[str, ...], BeforeValidator(_wrap_in_list), Field(min_length=1)]


def _find_format_problem(timestamp_format: str) -> str | None:
    """What DuckDB has against a timestamp format, if anything."""
    if timestamp_format in ("iso", "epoch_s", "epoch_ms"):
        return None
    quoted = timestamp_format.replace("'", "''")
    try:
        duckdb.execute(f"select try_strptime('', '{quoted}')")
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return None if "%" in timestamp_format else "it is neither iso, epoch_s, epoch_ms nor a strptime format"


def _is_known_to_duckdb(time_zone: str) -> bool:
    try:
        duckdb.execute("select timezone(?, timestamp '2000-01-01')", [time_zone])
    except duckdb.Error:
        return False
    return True


def _is_supported_encoding(encoding: str) -> bool:
    """Whether it is an encoding of text, and one whose broken bytes can be passed over."""
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)("surrogateescape").decode(b"", final=True)
    except (LookupError, UnicodeError):
        return False
    return True


def _normalize_event_type(event_type: str) -> str:
    """An event type's name as staging makes it of what a row says; Python has other small letters for İ, say, and Σ."""
    # A cursor, because threads that share a connection take each other's results.
    staged: str = duckdb.cursor().execute(r"select lower(trim(?, e' \t\r\n'))", [event_type]).fetchall()[0][0]
    return staged


class Feed(DeclarationModel):
    """One feed: a set of files of one shape that land in one raw table."""

    derived_fields: ClassVar = frozenset({"name"})

    name: str
    """Name of the feed; the key it is declared under."""

    kind: FeedKind
    """The raw table that the rows land in; the feed's name when that is one of the three."""

    files: OneOrMany
    """Globs of the files, relative to the landing folder."""

    format: Literal["csv", "jsonl", "json"]
    """`csv`, `jsonl` (one object a line) or `json` (a document that holds a list of objects); each may be gzipped."""

    columns: dict[str, str]
    """Our column name: the name in the files. Columns are matched by name, never by position. In JSON, a name that
    begins with `$.` is a path of keys: `$.product.id`, or `$."product.v2".id`."""

    delimiter: str | None = None
    """What separates the fields of a CSV line; when not given, comma, semicolon, tab or bar, as each file's header
    shows."""

    quote: str | None = None
    """What encloses the fields of a CSV line that need it, or `none`; when not given, as each file's first lines show:
    double quotes, unless something else is plain."""

    encoding: str | None = None
    """Text encoding, by its Python name; when not given, it is found out for each file."""

    decimal: Literal[".", ","] = "."
    """What stands before the decimals of a number; the other one may part its thousands where this is a comma."""

    records: str | None = None
    """For `json`: the key (dotted when nested, or a path like those of columns) of the list of records; the document
    itself when not given."""

    time_zone: str = "UTC"
    """IANA name of the zone of timestamps that carry no offset."""

    timestamp_formats: OneOrMany = ("iso",)
    """`iso`, `epoch_s`, `epoch_ms` or strptime formats; the first that fits a value is taken."""

    event_types: dict[EventType, OneOrMany] = Field(default_factory=dict)
    """Our event type: the names it goes by in the files, in any casing. Our own names need no mention."""

    carries: Annotated[tuple[Literal["purchases", "products"], ...], BeforeValidator(_wrap_in_list)] = ()
    """What else the rows say: `purchases` (events of type purchase are transactions; so they are in any shop that
    declares no feed of purchases), `products` (product facts)."""

    cancelled_transaction_prefix: str | None = None
    """A transaction id that starts so is a return."""

    api: Api | None = None
    """The web service that the records are fetched from, each time into a new file: the first of `files` with the time
    in the place of its `*`."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        known = RAW_COLUMNS[self.kind]
        for column in self.columns:
            if column not in known:
                raise ValueError(f"columns: unknown column '{column}'; a feed of {self.kind} knows {', '.join(known)}")
        for column in REQUIRED_COLUMNS[self.kind]:
            if column not in self.columns:
                raise ValueError(f"columns: '{column}' is not mapped, and a feed of {self.kind} needs it")
        for pattern in self.files:
            parts = Path(pattern).parts
            if not "".join(parts).strip() or Path(pattern).is_absolute() or ".." in parts:
                raise ValueError(f"files: '{pattern}' is no glob inside the landing folder, such as 'events/*.csv'")
            if any("**" in part and part != "**" for part in parts):
                raise ValueError(f"files: '{pattern}': ** stands for folders, and by itself, as in 'events/**/*.csv'")
        if self.time_zone not in available_timezones() or not _is_known_to_duckdb(self.time_zone):
            raise ValueError(f"time_zone: '{self.time_zone}' is no IANA time zone, such as {ZoneInfo('Europe/Paris')}")
        if self.encoding and not _is_supported_encoding(self.encoding):
            raise ValueError(f"encoding: Python knows no text encoding '{self.encoding}'")
        for timestamp_format in self.timestamp_formats:
            if problem := _find_format_problem(timestamp_format):
                raise ValueError(f"timestamp_formats: '{timestamp_format}': {problem}")
        if self.records is not None and self.format != "json":
            raise ValueError("records: only a feed of format json has it")
        try:
            _ = self.records_path
        except ValueError as error:
            raise ValueError(f"records: {error}") from None
        self._check_dialect()
        if self.format != "csv":
            for column, name in self.columns.items():
                try:
                    split_json_path(name)
                except ValueError as error:
                    raise ValueError(f"columns: {column}: {error}") from None
        if self.kind != "events" and (self.event_types or "purchases" in self.carries):
            raise ValueError("event_types and carries: [purchases] belong to a feed of events")
        if self.api:
            self._check_api(self.api)
        seen: dict[str, str] = {}
        for alias, event_type in self.event_aliases:
            if seen.setdefault(alias, event_type) != event_type:
                raise ValueError(f"event_types: '{alias}' stands for both {seen[alias]} and {event_type}")
        return self

    def _check_dialect(self) -> None:
        if self.format != "csv" and (self.delimiter, self.quote) != (None, None):
            raise ValueError("delimiter and quote: only a feed of format csv has them")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in LINE_END_CHARS + '"'):
            raise ValueError(
                'delimiter: it is one character, and no quote or line end; a tab is written "\\t", in double quotes'
            )
        quote = None if self.quote == NO_QUOTE else self.quote
        if quote is not None and (len(quote) != 1 or quote in LINE_END_CHARS or quote == self.delimiter):
            raise ValueError(f"quote: {quote!r} is neither one character other than the delimiter nor none")

    def _check_api(self, api: Api) -> None:
        if self.format != "jsonl" or codecs.lookup(self.encoding or "utf-8").name != "utf-8":
            raise ValueError("format: what is fetched from an api is written as jsonl in utf-8; declare that")
        folder, _, name = self.files[0].rpartition("/")
        if name.count("*") != 1 or set(folder + name) & set("?[") or "*" in folder:
            raise ValueError(
                f"files: '{self.files[0]}' does not say where a file that is fetched from the api goes; the first glob "
                "needs one * in the file's name, where the time will stand, such as 'catalog/*.jsonl'"
            )
        if api.id_column is None and self.kind != "products":
            raise ValueError(f"api.id_column: a feed of {self.kind} must name the key that tells its records apart")

    @property
    def parse_fingerprint(self) -> str:
        """Fingerprint of what decides how the files are read; when it changes, they are loaded again."""
        settings = (
            *(self.kind, self.format, self.delimiter, self.quote, self.encoding, self.records),
            sorted(self.columns.items()),
        )
        return hashlib.sha256(repr(settings).encode()).hexdigest()

    @property
    def records_path(self) -> tuple[str, ...]:
        """The keys that lead to the list of records in a JSON document."""
        if self.records is None:
            return ()
        return split_json_path(self.records) if self.records.startswith("$.") else tuple(self.records.split("."))

    @property
    def event_aliases(self) -> list[tuple[str, EventType]]:
        """Every name an event type goes by, lower case and trimmed, with the type it stands for."""
        if self.kind != "events":
            return []
        own: tuple[EventType, ...] = ("view", "click", "add_to_cart", "remove_from_cart", "purchase")
        declared = [
            (_normalize_event_type(alias), ours) for ours, aliases in self.event_types.items() for alias in aliases
        ]
        taken = {alias for alias, _ in declared}
        return [*dict.fromkeys(declared), *((ours, ours) for ours in own if ours not in taken)]


class Sources(DeclarationModel):
    """All feeds of one shop."""

    feeds: dict[str, Feed] = Field(min_length=1)
    """The feeds by name."""

    @model_validator(mode="before")
    @classmethod
    def _name_feeds(cls, data: Any) -> Any:
        if data is None:
            raise ValueError("the sources file is empty; it declares `feeds`")
        if not isinstance(data, dict) or not isinstance(data.get("feeds"), dict):
            return data
        feeds = {
            name: {**({"kind": name} if name in RAW_COLUMNS else {}), **feed, "name": str(name)}
            if isinstance(feed, dict)
            else feed
            for name, feed in data["feeds"].items()
        }
        return {**data, "feeds": feeds}

    def carries_purchases(self, feed: Feed) -> bool:
        """Whether the feed's events of type purchase are transactions: said so, or there is no feed of purchases."""
        has_purchases = any(other.kind == "purchases" for other in self.feeds.values())
        return feed.kind == "events" and ("purchases" in feed.carries or not has_purchases)

    def typing_settings(self, feed: Feed) -> tuple[object, ...]:
        """What the SQL goes by to type the feed's rows: the columns of raw.feeds in order, but for the fingerprint."""
        return (
            *(feed.name, feed.kind, feed.time_zone, list(feed.timestamp_formats)),
            *(self.carries_purchases(feed), "products" in feed.carries, feed.cancelled_transaction_prefix),
            feed.decimal,
        )

    def typing_fingerprint(self, feed: Feed) -> int:
        """Fingerprint of all that decides what the feed's rows mean once they are read.

        When it changes, they are classified again.
        """
        said = repr((self.typing_settings(feed), sorted(feed.event_aliases)))
        return int.from_bytes(hashlib.sha256(said.encode()).digest()[:7], "big")
