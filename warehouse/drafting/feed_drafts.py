"""Drafts of feeds: the guessed settings for files of one name and shape, with doubts."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from warehouse.drafting import value_tests
from warehouse.drafting.amount_guesses import guess_amounts
from warehouse.drafting.column_guesses import (
    TIME_COLUMNS,
    ColumnMapping,
    find_event_type_in_path,
    get_event_type,
    guess_columns,
    guess_kind,
    is_named_like,
)
from warehouse.drafting.file_samples import FileSample
from warehouse.drafting.item_lists import find_item_list, find_key_value_lists, read_key_values
from warehouse.drafting.name_words import find_concepts, find_status_concepts
from warehouse.drafting.row_groups import find_group_name
from warehouse.formatting import format_names
from warehouse.sources.columns import PRODUCT_ATTRIBUTES, REQUIRED_COLUMNS, FeedKind

MAX_STATUSES = 30
MAX_COMMON_SHARE = 0.3
"""Share of the rows from which a customer is probably a word for a missing one."""

MIN_COMPARED_PRODUCTS = 5
"""Number of products with several rows from which different names of a product mean something."""

MIN_MISSING_SHARE = 0.2
"""Share of rows without a customer that is a doubt."""


@dataclass
class FeedDraft:
    """A guessed feed."""

    globs: list[str]
    paths: list[str]
    sample: FileSample
    kind: FeedKind | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def columns(self) -> ColumnMapping:
        """The guessed mapping."""
        columns: ColumnMapping = self.settings["columns"]
        return columns

    @property
    def missing_columns(self) -> list[str]:
        """The required columns without a guess; a feed with one is no valid declaration yet."""
        if self.kind is None:
            return []
        columns = {*self.columns, *self.settings.get("join", {}).get("columns", ())}
        return [column for column in REQUIRED_COLUMNS[self.kind] if column not in columns]

    @property
    def unused_names(self) -> list[str]:
        """The names in the files that no column reads."""
        used_names: set[str] = set()
        for source in self.columns.values():
            used_names.update(() if isinstance(source, dict) else [source] if isinstance(source, str) else source)
        return [name for name in self.sample.names if name not in used_names]

    def leave_out(self, conditions: dict[str, list[str]]) -> None:
        """Add values of names to those whose rows are left out."""
        left_out = self.settings.setdefault("leave_out", {})
        for name, values in conditions.items():
            left_out[name] = [*dict.fromkeys([*left_out.get(name, ()), *values])]

    def get_values(self, column: str) -> list[Any]:
        """Return the values of a column of the mapping that are not missing."""
        return self.sample.get_values(self.columns.get(column))


def draft_feeds(sample: FileSample, globs: list[str], paths: list[str]) -> list[FeedDraft]:
    """Draft the feeds of a sample: two if only some events have a list of items; one of no kind if it is no feed."""
    item_list = find_item_list(sample)
    if item_list is None:
        return [_draft_feed(sample, globs, paths)]
    rows = list(zip(sample.records, sample.get_column(item_list), strict=True))
    with_items = sample.replace_records([record for record, items in rows if items])
    without_items = sample.replace_records([record for record, items in rows if not items])
    plain = _draft_feed(without_items, globs, paths)
    type_name = plain.columns.get("event_type") if plain.kind == "events" and not plain.missing_columns else None
    if isinstance(type_name, str):
        types = sorted({str(value) for value in with_items.get_values(type_name)})
        if types and not {str(value) for value in plain.get_values("event_type")}.intersection(types):
            listed = _draft_feed(with_items, globs, paths, item_list)
            plain.leave_out({type_name: types})
            listed.settings["where"] = {type_name: types}
            return [plain, listed]
    return [_draft_feed(sample, globs, paths, item_list)]


def _draft_feed(sample: FileSample, globs: list[str], paths: list[str], item_list: str | None = None) -> FeedDraft:
    settings: dict[str, Any] = {"format": sample.format, **sample.settings}
    if key_values := find_key_value_lists(sample):
        settings["key_values"] = key_values
    for name in key_values:
        sample = sample.expand(name, lambda value: [read_key_values(value)])
    if item_list:
        settings["unnest"] = item_list
        sample = sample.expand(item_list, lambda value: value if isinstance(value, list) and value else [None])
        sample.item_list = item_list
    feed = FeedDraft(globs, paths, sample, guess_kind(sample, globs[0]), settings, list(sample.doubts))
    if feed.kind is None:
        return feed
    columns: ColumnMapping = {**guess_columns(sample, feed.kind)}
    settings["columns"] = {
        column: source
        for column, source in columns.items()
        if feed.kind == "products" or _is_of_product(sample, columns, column)
    }
    if feed.kind == "events":
        _draft_events(feed)
    settings["columns"], number_settings, doubts = guess_amounts(sample, feed.columns)
    settings |= number_settings
    feed.doubts += doubts
    _draft_times(feed)
    _draft_fill_down(feed)
    if feed.kind != "products":
        _draft_customers(feed)
        _draft_statuses(feed)
    if feed.kind == "purchases":
        _doubt_purchases(feed)
    if feed.kind == "products":
        _draft_catalog(feed)
    for column, source in feed.columns.items():
        has_doubt = any(doubt.startswith(f"{column}:") for doubt in feed.doubts)
        if isinstance(source, str) and not has_doubt and not is_named_like(column, source):
            feed.doubts.append(f"{column}: {source} was chosen by its values only.")
    return feed


def _is_of_product(sample: FileSample, columns: ColumnMapping, column: str) -> bool:
    """Return whether an attribute is one of the product; the title of a review differs among rows of a product."""
    if column not in PRODUCT_ATTRIBUTES or "product_id" not in columns:
        return True
    values_by_product: dict[str, list[str]] = defaultdict(list)
    for product, value in zip(
        sample.get_column(columns["product_id"]), sample.get_column(columns[column]), strict=True
    ):
        if product is not None and value is not None:
            values_by_product[str(product)].append(str(value))
    is_equal = [len(set(values)) == 1 for values in values_by_product.values() if len(values) > 1]
    return len(is_equal) < MIN_COMPARED_PRODUCTS or sum(is_equal) >= value_tests.MIN_SHARE * len(is_equal)


def _draft_times(feed: FeedDraft) -> None:
    time_formats = [
        time_format
        for column in TIME_COLUMNS
        if (values := feed.get_values(column)) and (time_format := value_tests.guess_time_format(values))
    ]
    names = list(dict.fromkeys(time_format.name for time_format in time_formats))
    if names and names != ["iso"]:
        feed.settings["timestamp_formats"] = names
    feed.doubts += dict.fromkeys(time_format.doubt for time_format in time_formats if time_format.doubt)
    if not all(time_format.has_zone for time_format in time_formats):
        feed.settings["time_zone"] = "UTC"
        feed.doubts.append("The times have no offset. Ask the shop for their time_zone, such as Europe/Paris.")


def _draft_events(feed: FeedDraft) -> None:
    columns = feed.columns
    if "user_id" not in columns and "session_id" in columns:
        columns["user_id"] = columns["session_id"]
        feed.doubts.append(f"user_id: no name looks like a customer, so {columns['session_id']} takes the place.")
    path_type = find_event_type_in_path(feed.globs[0])
    if "event_type" not in columns and path_type is None:
        names = [name for name in feed.sample.names if find_concepts(name) in (("type",), ("t",))]
        if name := next((n for n in names if value_tests.measure_event_types(feed.sample.get_values(n))), None):
            columns = {column: source for column, source in columns.items() if source != name} | {"event_type": name}
            feed.settings["columns"] = columns
    if "event_type" not in columns:
        columns["event_type"] = {"value": path_type or "view"}
        reason = (
            f"the name of the files means {path_type}" if path_type else "no name looks like one, so all rows are views"
        )
        feed.doubts.append(
            f"event_type: {reason}. For purchases, declare kind: purchases, and purchased_at in place of event_at and "
            "event_type."
        )
        return
    types = feed.sample.get_column(columns["event_type"])
    products = feed.sample.get_column(columns.get("product_id"))
    row_counts = Counter(str(value) for value in types if value is not None)
    product_counts = Counter(str(value) for value, product in zip(types, products, strict=True) if product is not None)
    event_types: dict[str, list[str]] = {}
    for value, count in row_counts.items():
        event_type = get_event_type(value, has_product=product_counts[value] > 0.9 * count)
        event_types.setdefault(event_type or "ignored", []).append(value)
    ignored = event_types.get("ignored", [])
    if ignored:
        feed.doubts.append(f"No event type of RecoMart was recognized in {format_names(ignored)}: they are ignored.")
    with_product = [value for value in ignored if product_counts[value] > 0.9 * row_counts[value]]
    if with_product:
        feed.doubts.append(f"Rows of {format_names(with_product)} have a product. Is one of them a view or a click?")
    without_product = [value for value in row_counts if value not in ignored and not product_counts[value]]
    if without_product and "product_id" in columns:
        feed.doubts.append(f"Rows of {format_names(without_product)} have no product.")
    event_types = {name: [value for value in values if value.lower() != name] for name, values in event_types.items()}
    if declared := {name: values for name, values in event_types.items() if values}:
        feed.settings["event_types"] = declared


def _draft_customers(feed: FeedDraft) -> None:
    values = feed.get_values("user_id")
    row_count = len(feed.sample.records)
    if not values or row_count < value_tests.MIN_TELLING_VALUES:
        return
    name = feed.columns["user_id"]
    ((value, count),) = Counter(map(str, values)).most_common(1)
    if count > MAX_COMMON_SHARE * row_count and len(set(map(str, values))) > 3:
        feed.doubts.append(
            f"user_id: '{value}' is in {count / row_count:.0%} of the rows. If it is no customer, declare "
            f"null_values: {{user_id: [default, '{value}']}}."
        )
    missing_share = 1 - len(values) / row_count
    if missing_share > MIN_MISSING_SHARE and "fill_down" not in feed.settings:
        others = [other for other in feed.unused_names if is_named_like("user_id", other)]
        alternative = f" Other names of customers: {format_names(others)}." if others else ""
        feed.doubts.append(f"user_id: {name} is missing in {missing_share:.0%} of the rows.{alternative}")


def _draft_statuses(feed: FeedDraft) -> None:
    """Draft conditions by the values of statuses, such as cancelled."""
    for name in feed.unused_names:
        concepts = {*find_concepts(name)}
        values = list(dict.fromkeys(str(value).strip() for value in feed.sample.get_values(name)))
        is_type = "type" in concepts and not concepts.intersection({"product", "item", "sku", "user", "device"})
        if not (is_type or "status" in concepts) or len(values) > MAX_STATUSES:
            continue
        # An order that is not delivered yet is a purchase.
        meanings = {
            value: frozenset[str]() if "shipping" in concepts else find_status_concepts(value) for value in values
        }
        left_out = [
            value
            for value in values
            if meanings[value].intersection({"unfinished", "refund"}) and not meanings[value] & {"partial", "not"}
        ]
        if left_out:
            feed.leave_out({name: left_out})
        refunded = [value for value in left_out if "refund" in meanings[value]]
        if left_out or ("status" in concepts and feed.kind == "purchases"):
            question = "Which of them are no purchases?"
            if refunded:
                question += (
                    f" If {format_names(refunded)} takes back a purchase that is another row, declare is_return."
                )
            feed.doubts.append(f"{name} has the values {format_names(values)}. {question}")


def _doubt_purchases(feed: FeedDraft) -> None:
    if "refund" in find_status_concepts(feed.globs[0]):
        feed.doubts.append("The files are called returns. Remove the feed, unless the quantities are negative.")
    texts = [str(record) for record in feed.sample.records]
    copies = len(texts) - len(set(texts))
    if copies and "fill_down" not in feed.settings:
        feed.doubts.append(
            f"Rows of the sample that equal an earlier one: {copies}. If they are several pieces, declare duplicates: "
            "keep."
        )


def _draft_fill_down(feed: FeedDraft) -> None:
    group_name = (
        None
        if feed.kind is None or "unnest" in feed.settings
        else find_group_name(feed.sample, feed.columns, feed.kind)
    )
    if group_name is None:
        return
    feed.settings["fill_down"] = group_name
    feed.doubts.append(f"fill_down: rows lack values that an earlier row of the same {group_name} has.")
    product_name = feed.columns.get("product_id")
    if feed.kind == "products" and isinstance(product_name, str) and None in feed.sample.get_column(product_name):
        feed.leave_out({product_name: [""]})


def _draft_catalog(feed: FeedDraft) -> None:
    texts = {str(value).strip(): value_tests.fold_word(str(value)) for value in feed.get_values("is_available")}
    availability = {
        state: [text for text, word in texts.items() if word in words.split()]
        for state, words in value_tests.FOREIGN_AVAILABILITY_WORDS.items()
    }
    if any(availability.values()):
        feed.settings["availability"] = {state: values for state, values in availability.items() if values}
    if len(feed.paths) > 1:
        feed.doubts.append("If every delivery has all products, declare whole: true: absent ones are then unavailable.")
