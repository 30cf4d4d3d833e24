"""Declaration of a shop's feeds in its sources file: files, format, column mapping, time zone, event aliases."""

import codecs
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args
from zoneinfo import ZoneInfo, available_timezones

import duckdb
from pydantic import BeforeValidator, Field, model_validator

from warehouse.sources.rest_api import Api, DeclarationModel

FeedKind = Literal["events", "purchases", "products"]
EventType = Literal["view", "click", "add_to_cart", "remove_from_cart", "purchase"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

PRODUCT_ATTRIBUTES = ("product_name", "category", "brand")

RAW_COLUMNS: Mapping[FeedKind, tuple[str, ...]] = {
    "events": (
        *("event_id", "user_id", "product_id", "event_type", "event_at", "device", "session_id"),
        *("transaction_id", "quantity", "price", *PRODUCT_ATTRIBUTES),
    ),
    "purchases": ("transaction_id", "user_id", "product_id", "quantity", "price", "purchased_at", *PRODUCT_ATTRIBUTES),
    "products": ("product_id", *PRODUCT_ATTRIBUTES, "price", "popularity_score", "is_available", "updated_at"),
}
"""The columns of each raw table that a mapping can fill, in table order."""

REQUIRED_COLUMNS: Mapping[FeedKind, tuple[str, ...]] = {
    "events": ("user_id", "product_id", "event_type", "event_at"),
    "purchases": ("product_id", "purchased_at"),
    "products": ("product_id",),
}
"""The columns that the mapping of a feed must have."""

NO_QUOTE = "none"
"""Value of `quote` which declares that quotes are ordinary characters."""

LINE_END_CHARS = "\r\n"

PATH_STEP_PATTERN = re.compile(r"\.(?:(\w+)|(\"(?:[^\"\\]|\\.)*\"))")


def split_json_path(name: str) -> tuple[str, ...]:
    """Split a JSON path such as `$.product.id` or `$."product.v2".id` into keys; any other name is one key.

    Raises:
        ValueError: The name begins with `$.` and is not a path.
    """
    if not name.startswith("$."):
        return (name,)
    keys, position = [], 1
    while position < len(name):
        step = PATH_STEP_PATTERN.match(name, position)
        if not step:
            raise ValueError(f"'{name}' is not a path of keys. Write it like $.product.id or $.\"product.v2\".id")
        keys.append(step[1] or str(json.loads(step[2])))
        position = step.end()
    return tuple(keys)


def _wrap_in_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


OneOrMany = Annotated[tuple[str, ...], BeforeValidator(_wrap_in_list), Field(min_length=1)]


def _find_format_problem(timestamp_format: str) -> str | None:
    """Describe why DuckDB cannot use a timestamp format, or return None."""
    if timestamp_format in ("iso", "epoch_s", "epoch_ms"):
        return None
    quoted_format = timestamp_format.replace("'", "''")
    try:
        duckdb.execute(f"select try_strptime('', '{quoted_format}')")
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return None if "%" in timestamp_format else "it is not iso, epoch_s, epoch_ms or a strptime format"


def _is_known_to_duckdb(time_zone: str) -> bool:
    try:
        duckdb.execute("select timezone(?, timestamp '2000-01-01')", [time_zone])
    except duckdb.Error:
        return False
    return True


def _is_supported_encoding(encoding: str) -> bool:
    """Return whether Python has this text encoding and can skip undecodable bytes in it."""
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)("surrogateescape").decode(b"", final=True)
    except (LookupError, UnicodeError):
        return False
    return True


def _normalize_event_type(event_type: str) -> str:
    """Normalize an event type as the staging models do."""
    # DuckDB computes it, because Python's lower case differs, for example for İ and Σ.
    # Threads that share a connection would get each other's results, so each call uses its own cursor.
    normalized: str = duckdb.cursor().execute(r"select lower(trim(?, e' \t\r\n'))", [event_type]).fetchall()[0][0]
    return normalized


class Feed(DeclarationModel):
    """One feed: a set of files of one format that are loaded into one raw table."""

    derived_fields: ClassVar = frozenset({"name"})

    name: str
    """Name of the feed: its key in the sources file."""

    kind: FeedKind
    """Raw table of the feed's rows; the default is the feed's name if that is events, purchases or products."""

    files: OneOrMany
    """Globs of the files, relative to the landing folder."""

    format: Literal["csv", "jsonl", "json"]
    """`csv`, `jsonl` (one object a line) or `json` (a document with a list of objects); files can be gzipped."""

    columns: dict[str, str]
    """Column of the raw table: name in the files. Columns are matched by name, never by position. In JSON, a name that
    begins with `$.` is a path of keys: `$.product.id` or `$."product.v2".id`."""

    delimiter: str | None = None
    """Delimiter of CSV fields; by default it is detected from the header of each file: comma, semicolon, tab or bar."""

    quote: str | None = None
    """Quote character of CSV fields, or `none`; by default it is detected from the first lines of each file, and is the
    double quote if detection is not clear."""

    encoding: str | None = None
    """Text encoding, by its Python name; by default it is detected for each file."""

    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers. If it is a comma, points may separate thousands."""

    records: str | None = None
    """For `json`: the key of the list of records, dotted if nested, or a path as in `columns`; by default the document
    itself is the list."""

    time_zone: str = "UTC"
    """IANA time zone of timestamps without an offset."""

    timestamp_formats: OneOrMany = ("iso",)
    """`iso`, `epoch_s`, `epoch_ms` or strptime formats; the first one that parses a value is used."""

    event_types: dict[EventType, OneOrMany] = Field(default_factory=dict)
    """Event type: its names in the files, in any case. The event type's own name need not be listed."""

    carries: Annotated[tuple[Literal["purchases", "products"], ...], BeforeValidator(_wrap_in_list)] = ()
    """Further content of the rows: `purchases` (events of type purchase are transactions, which is the default for a
    shop without a purchases feed) and `products` (product attributes)."""

    cancelled_transaction_prefix: str | None = None
    """Prefix of the transaction ids of returns."""

    api: Api | None = None
    """Web service to fetch the records from. Each fetch writes a new file: the first glob of `files` with the time in
    place of its `*`."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        columns = RAW_COLUMNS[self.kind]
        for column in self.columns:
            if column not in columns:
                raise ValueError(
                    f"columns.{column}: unknown column. The columns of a feed of {self.kind} are {', '.join(columns)}"
                )
        for column in REQUIRED_COLUMNS[self.kind]:
            if column not in self.columns:
                raise ValueError(f"columns.{column}: it is not mapped. A feed of {self.kind} needs it")
        for pattern in self.files:
            parts = Path(pattern).parts
            if not "".join(parts).strip() or Path(pattern).is_absolute() or ".." in parts:
                raise ValueError(
                    f"files: '{pattern}' is not a glob inside the landing folder. Write it like 'events/*.csv'"
                )
            if any("**" in part and part != "**" for part in parts):
                raise ValueError(
                    f"files: '{pattern}': ** matches folders and must be a whole path part, as in 'events/**/*.csv'"
                )
        if self.time_zone not in available_timezones() or not _is_known_to_duckdb(self.time_zone):
            raise ValueError(
                f"time_zone: '{self.time_zone}' is not an IANA time zone. Write it like {ZoneInfo('Europe/Paris')}"
            )
        if self.encoding and not _is_supported_encoding(self.encoding):
            raise ValueError(f"encoding: Python has no text encoding '{self.encoding}'")
        for timestamp_format in self.timestamp_formats:
            if problem := _find_format_problem(timestamp_format):
                raise ValueError(f"timestamp_formats: '{timestamp_format}': {problem}")
        if self.records is not None and self.format != "json":
            raise ValueError("records: only a feed of format json can have it")
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
                    raise ValueError(f"columns.{column}: {error}") from None
        if self.kind != "events" and (self.event_types or "purchases" in self.carries):
            raise ValueError("event_types and carries: [purchases]: only a feed of events can have them")
        if self.api:
            self._check_api(self.api)
        type_by_alias: dict[str, str] = {}
        for alias, event_type in self.event_aliases:
            if type_by_alias.setdefault(alias, event_type) != event_type:
                raise ValueError(f"event_types: '{alias}' is a name of both {type_by_alias[alias]} and {event_type}")
        return self

    def _check_dialect(self) -> None:
        if self.format != "csv" and (self.delimiter, self.quote) != (None, None):
            raise ValueError("delimiter and quote: only a feed of format csv can have them")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in LINE_END_CHARS + '"'):
            raise ValueError(
                'delimiter: it must be one character that is not a quote or line end. Write a tab as "\\t", in double '
                "quotes"
            )
        quote = None if self.quote == NO_QUOTE else self.quote
        if quote is not None and (len(quote) != 1 or quote in LINE_END_CHARS or quote == self.delimiter):
            raise ValueError(f"quote: {quote!r} is not `none` or one character other than the delimiter")

    def _check_api(self, api: Api) -> None:
        if self.format != "jsonl" or codecs.lookup(self.encoding or "utf-8").name != "utf-8":
            raise ValueError("format: records from an api are written as jsonl in utf-8. Declare that format")
        folder, _, name = self.files[0].rpartition("/")
        if name.count("*") != 1 or set(folder + name) & set("?[") or "*" in folder:
            raise ValueError(
                f"files: '{self.files[0]}' does not name the file to write the api's records to. The first glob needs "
                "one * in the file's name, in place of the time, as in 'catalog/*.jsonl'"
            )
        if api.id_column is None and self.kind != "products":
            raise ValueError(f"api.id_column: it must be given for a feed of {self.kind}")

    @property
    def parse_fingerprint(self) -> str:
        """Fingerprint of the settings that decide how files are read; when it changes, the files are loaded again."""
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
        """Every name of an event type, normalized, with its event type."""
        if self.kind != "events":
            return []
        declared_pairs = [
            (_normalize_event_type(alias), event_type)
            for event_type, aliases in self.event_types.items()
            for alias in aliases
        ]
        declared_aliases = {alias for alias, _ in declared_pairs}
        own_names = ((event_type, event_type) for event_type in EVENT_TYPES if event_type not in declared_aliases)
        return [*dict.fromkeys(declared_pairs), *own_names]


class Sources(DeclarationModel):
    """All feeds of one shop."""

    feeds: dict[str, Feed] = Field(min_length=1)
    """The feeds by name."""

    @model_validator(mode="before")
    @classmethod
    def _name_feeds(cls, data: Any) -> Any:
        if data is None:
            raise ValueError("the sources file is empty. Declare `feeds`")
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
        """Return whether the feed's purchase events are transactions: as declared, or if no purchases feed exists."""
        has_purchases_feed = any(shop_feed.kind == "purchases" for shop_feed in self.feeds.values())
        return feed.kind == "events" and ("purchases" in feed.carries or not has_purchases_feed)

    def get_typing_settings(self, feed: Feed) -> tuple[object, ...]:
        """Return the settings by which the SQL types the feed's rows: the columns of raw.feeds without the last."""
        return (
            *(feed.name, feed.kind, feed.time_zone, list(feed.timestamp_formats)),
            *(self.carries_purchases(feed), "products" in feed.carries, feed.cancelled_transaction_prefix),
            feed.decimal,
        )

    def compute_typing_fingerprint(self, feed: Feed) -> int:
        """Return the fingerprint of the typing settings and aliases; when it changes, the rows are typed again."""
        settings = repr((self.get_typing_settings(feed), sorted(feed.event_aliases)))
        return int.from_bytes(hashlib.sha256(settings.encode()).digest()[:7], "big")
