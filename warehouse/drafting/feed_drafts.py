"""Drafts of feeds: the guessed settings for files of one name and shape, with doubts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from warehouse.drafting import value_tests
from warehouse.drafting.amount_guesses import guess_amounts
from warehouse.drafting.column_guesses import (
    ColumnMapping,
    find_event_type_in_path,
    get_event_type,
    guess_columns,
    guess_kind,
    is_named_like,
)
from warehouse.drafting.item_lists import find_item_list, find_key_value_lists
from warehouse.drafting.name_words import CONTEXT_CONCEPTS, find_concepts, find_status_meaning
from warehouse.drafting.record_samples import Doubt, RecordSample
from warehouse.drafting.row_groups import find_group_name
from warehouse.drafting.value_tests import MIN_SHARE
from warehouse.formatting import format_names
from warehouse.sources.columns import REQUIRED_COLUMNS, TIME_COLUMNS, FeedKind, wrap_in_list


@dataclass
class FeedDraft:
    """A guessed feed."""

    globs: list[str]
    paths: list[str]
    sample: RecordSample
    kind: FeedKind | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    unused_joined_names: list[str] = field(default_factory=list)

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
        columns = self.settings.get("join", {}).get("columns", {}) | self.columns
        return [column for column in REQUIRED_COLUMNS[self.kind] if not columns.get(column)]

    @property
    def unused_names(self) -> list[str]:
        """The names in the files that no column reads."""
        sources = [source for source in self.columns.values() if not isinstance(source, dict)]
        used_names = {name for source in sources for name in wrap_in_list(source)}
        return [name for name in self.sample.names if name not in used_names]

    def leave_out(self, conditions: dict[str, list[str]]) -> None:
        """Add values of names to those whose rows are left out."""
        left_out = self.settings.setdefault("leave_out", {})
        for name, values in conditions.items():
            left_out[name] = [*dict.fromkeys([*left_out.get(name, ()), *values])]

    def add_doubt(self, text: str, column: str = "") -> None:
        """Add a doubt."""
        self.doubts.append(Doubt(text, column))

    def get_values(self, column: str) -> list[Any]:
        """Return the values of a column of the mapping that are not missing."""
        return self.sample.get_values(self.columns.get(column))


def draft_feeds(sample: RecordSample, globs: list[str], paths: list[str]) -> list[FeedDraft]:
    """Draft the feeds of a sample: two if only some events have a list of items; one of no kind if it is no feed."""
    item_list = find_item_list(sample)
    if item_list is None:
        return [_draft_feed(sample, globs, paths)]
    rows = list(zip(sample.records, sample.get_column(item_list), strict=True))
    with_items = sample.replace_records([record for record, items in rows if items])
    without_items = sample.replace_records([record for record, items in rows if not items])
    plain_feed = _draft_feed(without_items, globs, paths)
    type_name = (
        plain_feed.columns.get("event_type") if plain_feed.kind == "events" and not plain_feed.missing_columns else None
    )
    if isinstance(type_name, str):
        types = sorted({str(value) for value in with_items.get_values(type_name)})
        if types and not {str(value) for value in plain_feed.get_values("event_type")}.intersection(types):
            listed_feed = _draft_feed(with_items, globs, paths, item_list)
            plain_feed.leave_out({type_name: types})
            listed_feed.settings["where"] = {type_name: types}
            return [plain_feed, listed_feed]
    return [_draft_feed(sample, globs, paths, item_list)]


def _draft_feed(sample: RecordSample, globs: list[str], paths: list[str], item_list: str | None = None) -> FeedDraft:
    settings: dict[str, Any] = {"format": sample.format, **sample.settings}
    if key_values := find_key_value_lists(sample):
        settings["key_values"] = key_values
    if item_list:
        settings["unnest"] = item_list
    sample = sample.reshape(item_list, key_values)
    feed = FeedDraft(globs, paths, sample, guess_kind(sample, globs[0]), settings, list(sample.doubts))
    if feed.kind is None:
        return feed
    settings["columns"] = guess_columns(sample, feed.kind)
    if feed.kind == "events":
        _draft_events(feed)
    number_settings, doubts = guess_amounts(sample, feed.columns)
    settings |= number_settings
    feed.doubts += doubts
    doubtful_columns = {doubt.column for doubt in feed.doubts}
    for column, source in feed.columns.items():
        if isinstance(source, str) and column not in doubtful_columns and not is_named_like(column, source):
            feed.add_doubt(f"{source} was chosen by its values only.", column)
    _draft_times(feed)
    if not item_list and (group_name := find_group_name(sample, feed.columns, feed.kind)):
        settings["fill_down"] = group_name
        feed.add_doubt(f"fill_down: rows lack values that an earlier row of the same {group_name} has.")
    if feed.kind == "products":
        _draft_catalog(feed)
    else:
        _draft_statuses(feed)
        _draft_tests(feed)
    if feed.kind == "purchases":
        _add_purchase_doubts(feed)
    return feed


def _draft_times(feed: FeedDraft) -> None:
    column = TIME_COLUMNS[feed.kind or "events"]
    time_format = value_tests.guess_time_format(feed.get_values(column))
    if time_format is None:
        return
    if time_format.name != "iso":
        feed.settings["timestamp_formats"] = [time_format.name]
    if time_format.doubt:
        feed.add_doubt(time_format.doubt, column)
    if not time_format.has_zone:
        feed.settings["time_zone"] = "UTC"
        feed.add_doubt("The times have no offset. Ask the shop for their time_zone, such as Europe/Paris.", column)


def _draft_events(feed: FeedDraft) -> None:
    columns = feed.columns
    if "user_id" not in columns and "session_id" in columns:
        columns["user_id"] = columns["session_id"]
        feed.add_doubt(f"No name looks like a customer, so {columns['session_id']} takes the place.", "user_id")
    path_type = find_event_type_in_path(feed.globs[0])
    if "event_type" not in columns and path_type is None:
        names = [name for name in feed.sample.names if find_concepts(name) in (("type",), ("t",))]
        if name := next((n for n in names if value_tests.measure_event_types(feed.sample.get_values(n))), None):
            columns = {column: source for column, source in columns.items() if source != name} | {"event_type": name}
            feed.settings["columns"] = columns
    if "event_type" not in columns:
        columns["event_type"] = {"value": path_type or "view"}
        reason = (
            f"The name of the files means {path_type}" if path_type else "No name looks like one: all rows are views"
        )
        remedy = "For purchases, declare kind: purchases, and purchased_at in place of event_at and event_type."
        feed.add_doubt(f"{reason}. {remedy}", "event_type")
        return
    types = feed.sample.get_column(columns["event_type"])
    products = feed.sample.get_column(columns.get("product_id"))
    row_counts = Counter(str(value) for value in types if value is not None)
    product_counts = Counter(str(value) for value, product in zip(types, products, strict=True) if product is not None)
    with_product = {value for value, count in row_counts.items() if product_counts[value] >= MIN_SHARE * count}
    values_by_type: dict[str, list[str]] = {}
    for value in row_counts:
        event_type = get_event_type(value, has_product=value in with_product)
        values_by_type.setdefault(event_type or "ignored", []).append(value)
    ignored = values_by_type.get("ignored", [])
    if ignored:
        feed.add_doubt(f"No event type of RecoMart was recognized in {format_names(ignored)}: they are ignored.")
    if ignored_products := [value for value in ignored if value in with_product]:
        feed.add_doubt(f"Rows of {format_names(ignored_products)} have a product. Is one of them a view or a click?")
    without_product = [value for value in row_counts if value not in ignored and not product_counts[value]]
    if without_product and "product_id" in columns:
        feed.add_doubt(f"Rows of {format_names(without_product)} have no product.")
    # RecoMart's own names need no declaration.
    event_types = {
        name: [value for value in values if value.lower() != name] for name, values in values_by_type.items()
    }
    if declared := {name: values for name, values in event_types.items() if values}:
        feed.settings["event_types"] = declared


def _draft_statuses(feed: FeedDraft) -> None:
    """Draft conditions by the values of statuses, such as cancelled."""
    for name in feed.unused_names:
        concepts = {*find_concepts(name)}
        is_type = "type" in concepts and not concepts.intersection({"product", "item", "sku", "user", "device"})
        all_values = feed.sample.get_values(name)
        if not (is_type or "status" in concepts) or not value_tests.has_few_values(all_values):
            continue
        values = list(dict.fromkeys(str(value).strip() for value in all_values))
        # An order that is not delivered yet is a purchase.
        meanings = {} if "shipping" in concepts else {value: find_status_meaning(value) for value in values}
        left_out = [value for value, meaning in meanings.items() if meaning]
        refunded = [value for value, meaning in meanings.items() if meaning == "refund"]
        if left_out:
            feed.leave_out({name: left_out})
        if left_out or ("status" in concepts and feed.kind == "purchases"):
            text = f"{name} has the values {format_names(values)}. Which of them are no purchases?"
            if refunded:
                text += f" If {format_names(refunded)} takes back a purchase that is another row, declare is_return."
            feed.add_doubt(text)


def _draft_tests(feed: FeedDraft) -> None:
    """Draft conditions by names such as is_test whose values are true or false."""
    words = value_tests.TRUTH_WORDS
    for name in feed.unused_names:
        values = sorted({str(value).strip().lower().removesuffix(".0") for value in feed.sample.get_values(name)})
        concepts = {*find_concepts(name)}
        if "test" in concepts <= {"test", "other", *CONTEXT_CONCEPTS} and {*values} <= {*words, *words.values()}:
            left_out = [value for value in values if value not in words] or [words[value] for value in values] or ["1"]
            feed.leave_out({name: left_out})
            feed.add_doubt(f"Rows whose {name} is {format_names(left_out)} are left out. Are they tests?")


def _add_purchase_doubts(feed: FeedDraft) -> None:
    """Add the doubts about files of returns, and about rows that equal an earlier one."""
    if find_status_meaning(feed.globs[0]) == "refund":
        feed.add_doubt("The files are called returns. Remove the feed, unless the quantities are negative.")
    texts = [str(record) for record in feed.sample.records]
    copies = len(texts) - len(set(texts))
    if copies and "fill_down" not in feed.settings:
        remedy = "If they are several pieces, declare duplicates: keep."
        feed.add_doubt(f"Rows of the sample that equal an earlier one: {copies}. {remedy}")


def _draft_catalog(feed: FeedDraft) -> None:
    product_name = feed.columns["product_id"]
    if "fill_down" in feed.settings and isinstance(product_name, str) and None in feed.sample.get_column(product_name):
        feed.leave_out({product_name: [""]})
    texts = {str(value).strip(): value_tests.fold_word(str(value)) for value in feed.get_values("is_available")}
    availability = {
        state: [text for text, word in texts.items() if word in words.split()]
        for state, words in value_tests.FOREIGN_AVAILABILITY_WORDS.items()
    }
    if any(availability.values()):
        feed.settings["availability"] = {state: values for state, values in availability.items() if values}
    if len(feed.paths) > 1:
        feed.add_doubt("If every delivery has all products, declare whole: true: absent ones are then unavailable.")
