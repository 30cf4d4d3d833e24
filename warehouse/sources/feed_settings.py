"""The settings of a feed in the sources file: files, format, column mapping, conditions, time zone, event aliases."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from warehouse.sources.columns import (
    EVENT_TYPES,
    LOG_KINDS,
    RAW_COLUMNS,
    REQUIRED_COLUMNS,
    ROW_ID_COLUMNS,
    ColumnSource,
    EventType,
    FeedKind,
    FileValues,
    OneOrMany,
    get_source_names,
    normalize_value,
    split_json_path,
    wrap_in_list,
)
from warehouse.sources.null_words import DEFAULT_WORD, get_default_null_words
from warehouse.sources.rest_api import Api, DeclarationModel

FileFormat = Literal["csv", "jsonl", "json", "parquet", "arrow", "excel"]

NullValues = Annotated[
    Annotated[dict[str, FileValues], Tag("[columns]")] | Annotated[FileValues, Tag("[list]")],
    Discriminator(lambda value: "[columns]" if isinstance(value, dict) else "[list]"),
]

FORMATS_BY_SETTING: Mapping[str, tuple[FileFormat, ...]] = {
    "encoding": ("csv", "jsonl", "json"),
    **dict.fromkeys(("delimiter", "quote", "escape", "comment", "short_lines"), ("csv",)),
    **dict.fromkeys(("names", "skip_lines"), ("csv", "excel")),
    "sheet": ("excel",),
    **dict.fromkeys(("records", "record_key"), ("json",)),
    **dict.fromkeys(("unnest", "key_values"), ("jsonl", "json", "parquet", "arrow")),
}
"""The formats of the feeds that can have a setting; a setting that is not here fits all formats."""

KINDS_BY_SETTING: Mapping[str, tuple[FeedKind, ...]] = {
    **dict.fromkeys(("is_return", "carries", "cancelled_transaction_prefix"), ("events", "purchases")),
    **dict.fromkeys(("key", "duplicates", "keep_days"), ("events", "purchases", "impressions")),
    **dict.fromkeys(("fill_down", "join", "price_divisor"), ("events", "purchases", "products")),
    "event_types": ("events",),
    **dict.fromkeys(("whole", "availability"), ("products",)),
}
"""The kinds of the feeds that can have a setting; a setting that is not here fits all kinds."""

PARSE_SETTINGS = {"kind", "format", "columns", *FORMATS_BY_SETTING}
"""Settings that decide how files are read; the others decide how the SQL types the rows."""

ITEM_NUMBER_NAME = "_item"
"""Name of the number of an item in the list of its record."""


class Availability(DeclarationModel):
    """Further values of `is_available`, in any casing."""

    available: FileValues = ()
    """Values of products that can be bought."""

    unavailable: FileValues = ()
    """Values of products that cannot be bought."""


class JoinKey(DeclarationModel):
    """The columns by which the rows of a feed are joined with those of the joined files."""

    by: Annotated[tuple[str, ...], BeforeValidator(wrap_in_list)] = ()
    """Columns of the raw table that both mappings have, or names that the files of both have; by default all columns
    that both mappings have."""


class FeedSettings(DeclarationModel):
    """The settings of one feed, not yet compared with each other."""

    derived_fields: ClassVar = frozenset({"name", "joined_to", "joined_columns", "names_of_joining_feed"})

    name: str
    """Name of the feed: its key in the sources file. The joined files of a feed are a feed of their own,
    `NAME.join`."""

    joined_to: str | None = None
    """For the joined files of a feed: the name of that feed."""

    joined_columns: tuple[str, ...] = ()
    """Columns that the joined files fill."""

    names_of_joining_feed: tuple[str, ...] = ()
    """For joined files: the names that the conditions and the keys of the joining feed read."""

    kind: FeedKind
    """Raw table of the feed's rows: events, purchases, products or impressions; the default is the feed's name if that
    is one of them."""

    files: OneOrMany
    """Globs of the files, relative to the landing folder."""

    format: FileFormat
    """`csv`; `jsonl` (JSON objects, one a line or one behind the other); `json` (a document with a list of objects);
    `parquet`, `arrow` or `excel` (rows are read as JSON objects). Text files can be compressed."""

    columns: dict[str, ColumnSource]
    """Column of the raw table: name in the files, a list of names whose values are joined by blanks, or a constant, as
    in `{value: view}`. Columns are matched by name, never by position. Except in CSV, a name that begins with `$.` is a
    path of keys: `$.product.id` or `$."product.v2".id`."""

    delimiter: str | None = None
    """Delimiter of CSV fields; by default it is detected from the header of each file: comma, semicolon, tab or bar."""

    quote: str | None = None
    """Quote character of CSV fields, or `none`; by default it is detected from the first lines of each file, and is the
    double quote if detection is not clear."""

    escape: str | None = None
    """Character before a quote inside a quoted CSV field, as in `\\"`; by default a doubled quote stands for a quote,
    and backslashes are detected from the first lines of each file."""

    encoding: str | None = None
    """Text encoding, by its Python name; by default it is detected for each file."""

    names: tuple[str, ...] | None = Field(default=None, min_length=1)
    """For `csv` and `excel`: the names of the columns in files without a header."""

    skip_lines: int = Field(default=0, ge=0)
    """For `csv` and `excel`: number of lines before the header, or before the first row in files without a header."""

    comment: str | None = Field(default=None, min_length=1)
    """For `csv`: lines that begin with this text are no rows."""

    short_lines: Literal["reject", "fill"] = "reject"
    """For `csv`: what happens to a line that ends before a mapped column: it is rejected, or its last columns are
    empty. A line that lacks only columns that are not mapped is loaded."""

    sheet: str | None = None
    """For `excel`: name of the sheet; the default is the first one."""

    records: str | None = None
    """For `json`: the key of the list of records, dotted if nested, or a path as in `columns`; by default the document
    itself is the list."""

    record_key: str | None = None
    """For `json`: the records are the values of an object instead of a list, and their key becomes this name."""

    unnest: str | None = None
    """Name or path of a list within a record: each of its items becomes a row, in which the item has the place of the
    list. A record without items is one row."""

    key_values: Annotated[tuple[str, ...], BeforeValidator(wrap_in_list)] = ()
    """Names or paths of lists of `{key, value}`, which are read as objects: `$.event_params.page_location`. A value
    that is an object is its first member that is not null."""

    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers in texts. If it is a comma, points may separate thousands. It does not apply to numbers
    that JSON, Parquet, Arrow and Excel store as numbers."""

    thousands: Literal[","] | None = None
    """Separator of thousands. Without it, only numbers that cannot be read otherwise have a comma as one, such as
    `1,234.50`; blanks and apostrophes are always understood."""

    price_divisor: int | None = Field(default=None, gt=1)
    """Number by which prices and line totals are divided: 100 if they are in cents."""

    null_values: NullValues | None = None
    """Values, in any casing, that stand for a missing one: a list for all columns, or lists by column of the raw table.
    A declared list replaces the default list, which the word `default` in a list includes."""

    time_zone: str = "UTC"
    """IANA time zone of timestamps without an offset. It also decides abbreviations in the text, such as CST."""

    timestamp_formats: OneOrMany = ("iso",)
    """`iso`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` or strptime formats; the first one that parses a value is
    used."""

    event_types: dict[EventType | Literal["ignored"], OneOrMany] = Field(default_factory=dict)
    """Event type: its names in the files, in any case. The event type's own name need not be listed. Rows of the
    `ignored` types are excluded."""

    where: dict[str, FileValues] = Field(default_factory=dict)
    """Name in the files: values, in any casing. Rows in which one of these columns has another value are excluded. An
    empty text means a missing value."""

    leave_out: dict[str, FileValues] = Field(default_factory=dict)
    """Name in the files: values, in any casing. Rows in which one of these columns has such a value are excluded."""

    is_return: dict[str, FileValues] = Field(default_factory=dict)
    """Name in the files: values, in any casing. Rows in which one of these columns has such a value are returns."""

    cancelled_transaction_prefix: str | None = Field(default=None, min_length=1)
    """Prefix of the transaction ids of returns."""

    key: Annotated[tuple[str, ...], BeforeValidator(wrap_in_list)] | None = None
    """Names in the files that together identify a row: of the rows with the same values, the newest one counts; with
    `unnest`, all rows of the newest record. The default is the name of `event_id`, of impressions that of
    `impression_id`, where it is mapped. An empty list means no key."""

    duplicates: Literal["drop", "keep"] = "drop"
    """What happens to a row without a key that equals an earlier row in every column: it is dropped as a duplicate, or
    kept, for files in which equal rows are several pieces."""

    availability: Availability = Availability()
    """Further values of `is_available`."""

    whole: bool | None = None
    """For `products`: whether every delivery has all products, so that an absent product is not available. By
    default it is not, and a build warns when the deliveries look as if they were."""

    fill_down: str | None = Field(default=None, min_length=1)
    """Name in the files of a column that groups rows, such as the variants of a product or the lines of an order. A row
    takes the values that it lacks from the group's rows before it in the file. A row without a group that also lacks
    the time, or of products the name, continues the group before it. Values of a single row are not filled down: of
    orders and events product and amounts, of products id and price."""

    join: JoinKey | None = None
    """Further files of the feed, with `files`, `columns`, and the settings of their format where it differs: rows with
    the same key are joined, such as order lines with their orders."""

    carries: Annotated[tuple[Literal["purchases", "products"], ...], BeforeValidator(wrap_in_list)] = ()
    """Further content of the rows: `purchases` (events of type purchase are transactions, which is the default for a
    shop without a purchases feed) and `products` (product attributes)."""

    keep_days: int | None = Field(default=None, ge=1, le=36_500)
    """Days after which a run erases rows, from the landing files too; by default they are kept forever."""

    expected_every: str | None = None
    """For a live feed: the time within which a file is expected, in hours or days, as in `6h` or `1d`. A build warns
    when the feed is late by the clock. Other feeds, such as archives, are compared with the data alone."""

    api: Api | None = None
    """Web service to fetch the records from. Each fetch writes a new file: the first glob of `files` with the time in
    place of its `*`."""

    @property
    def is_json(self) -> bool:
        """Whether the records are JSON objects; those of CSV files are lists of fields."""
        return self.format != "csv"

    @cached_property
    def parse_fingerprint(self) -> str:
        """Fingerprint of the settings that decide how files are read; when it changes, the files are loaded again."""
        settings = {**self.model_dump(mode="json", include=PARSE_SETTINGS), "read_names": sorted(self.condition_names)}
        if self.is_json and self.decimal == ",":
            settings["decimal"] = self.decimal
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    @property
    def expected_hours(self) -> int | None:
        """The hours of `expected_every`; None for a feed that is not live."""
        if self.expected_every is None:
            return None
        return int(self.expected_every[:-1]) * (24 if self.expected_every.endswith("d") else 1)

    @property
    def is_log(self) -> bool:
        """Whether RecoMart writes the files itself."""
        return self.kind in LOG_KINDS

    @property
    def has_default_key(self) -> bool:
        """Whether the id of the row, `event_id` or `impression_id`, is the key."""
        return self.key is None and self.duplicates == "drop" and ROW_ID_COLUMNS.get(self.kind) in self.columns

    @property
    def has_item_numbers(self) -> bool:
        """Whether rows have the number of their item, by which the rows of one record are known."""
        return bool(self.unnest) and (bool(self.key) or self.has_default_key) and not self.joined_to

    @property
    def records_path(self) -> tuple[str, ...]:
        """The keys that lead to the list of records in a JSON document."""
        if self.records is None:
            return ()
        return split_json_path(self.records) if self.records.startswith("$.") else tuple(self.records.split("."))

    @property
    def mapped_names(self) -> list[str]:
        """The names in the files that fill columns of the raw table."""
        return list(dict.fromkeys(name for source in self.columns.values() for name in get_source_names(source)))

    @property
    def required_names(self) -> list[tuple[str, str]]:
        """The required columns of the raw table, each with a name in the files that fills it."""
        sources = ((column, self.columns.get(column, ())) for column in REQUIRED_COLUMNS[self.kind])
        return [(column, name) for column, source in sources for name in get_source_names(source)]

    @property
    def condition_names(self) -> list[str]:
        """The names in the records that conditions, keys and `fill_down` read."""
        join_names = [name for name in (self.join.by if self.join else ()) if name not in RAW_COLUMNS[self.kind]]
        item_names = (ITEM_NUMBER_NAME,) if self.has_item_numbers else ()
        row_names = (*self.where, *self.leave_out, *self.is_return, *(self.key or ()), self.fill_down)
        names = (*row_names, *join_names, *item_names)
        return list(dict.fromkeys(name for name in (*names, *self.names_of_joining_feed) if name))

    def get_row_names(self, *, is_complete: bool) -> list[tuple[str, str]]:
        """Return the settings that select, identify or group rows, each with a name in the files.

        If records omit keys without a value (not `is_complete`), only names without which rows would be lost count.
        """
        lists = {"leave_out": self.leave_out, "is_return": self.is_return} if is_complete else {}
        required_where = {name: values for name, values in self.where.items() if is_complete or "" not in values}
        return [
            *((f"{setting}.{name}", name) for setting, names in lists.items() for name in names),
            *((f"where.{name}", name) for name in required_where),
            *(("key", name) for name in self.key or ()),
            *(("fill_down", name) for name in (self.fill_down,) if name),
            *(("join.by", name) for name in (self.join.by if self.join else ()) if name not in RAW_COLUMNS[self.kind]),
        ]

    def get_null_words(self, column: str) -> tuple[str, ...]:
        """Return the values, in lower case, that stand for a missing value of a column."""
        declared = self.null_values.get(column) if isinstance(self.null_values, dict) else self.null_values
        default_words = get_default_null_words(column)
        words = default_words
        if declared is not None:
            groups = [default_words if word == DEFAULT_WORD else (normalize_value(word),) for word in declared]
            words = tuple(dict.fromkeys(word for group in groups for word in group))
        if column != "is_available":
            return words
        # A declared value of availability is no missing one.
        values = {normalize_value(value) for value in (*self.availability.available, *self.availability.unavailable)}
        return tuple(word for word in words if word not in values)

    @property
    def event_aliases(self) -> list[tuple[str, str]]:
        """Every name of an event type, normalized, with its event type or `ignored`."""
        if self.kind != "events":
            return []
        declared_pairs = [
            (normalize_value(alias), str(event_type))
            for event_type, aliases in self.event_types.items()
            for alias in aliases
        ]
        declared_aliases = {alias for alias, _ in declared_pairs}
        own_names = ((event_type, event_type) for event_type in EVENT_TYPES if event_type not in declared_aliases)
        return [*dict.fromkeys(declared_pairs), *own_names]
