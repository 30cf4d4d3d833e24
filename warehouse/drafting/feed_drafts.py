"""Drafts of feeds: files of one name and shape, and the guessed settings with doubts."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warehouse.drafting.column_guesses import (
    guess_columns,
    guess_event_types,
    guess_kind,
    guess_number_settings,
    guess_time_format,
    is_known_name,
    normalize_name,
)
from warehouse.drafting.file_samples import FileSample, flatten, read_sample
from warehouse.formatting import format_names
from warehouse.loading.landing_files import UnreadableFileError, find_unmatched_files
from warehouse.sources.columns import RAW_COLUMNS, REQUIRED_COLUMNS, FeedKind

TIME_COLUMNS = ("event_at", "purchased_at", "updated_at")

STATUS_NAMES = ("status", "orderstatus", "financialstatus", "paymentstatus", "state", "fulfillmentstatus")
NO_PURCHASE_WORDS = ("cancel", "fail", "pending", "void", "declin", "unpaid", "draft", "trash", "onhold", "expired")
RETURN_WORDS = ("refund", "return", "chargeback")


@dataclass
class FeedDraft:
    """A guessed feed."""

    glob: str
    paths: list[str]
    kind: FeedKind | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """The names in the files."""

    @property
    def missing_columns(self) -> list[str]:
        """The required columns without a guess; a feed with one is no valid declaration yet."""
        if self.kind is None:
            return []
        columns = {*self.settings["columns"], *self.settings.get("join", {}).get("columns", ())}
        return [column for column in REQUIRED_COLUMNS[self.kind] if column not in columns]


@dataclass
class SourcesDraft:
    """The guessed feeds of a folder, by name."""

    feeds: dict[str, FeedDraft]
    unused_files: dict[str, str]
    """The files that no feed uses, with the reason."""


def draft_sources(landing: Path) -> SourcesDraft:
    """Draft the feeds of a landing folder from samples of its files."""
    draft = SourcesDraft({}, {})
    paths_by_glob: dict[str, list[str]] = {}
    for path in find_unmatched_files(landing, ()):
        paths_by_glob.setdefault(make_glob(path), []).append(path)
    drafts: list[FeedDraft] = []
    for glob, paths in paths_by_glob.items():
        try:
            sample = _read_first_sample(landing, paths)
        except UnreadableFileError as error:
            draft.unused_files |= dict.fromkeys(paths, str(error))
            continue
        feed = draft_feed(sample, glob, paths)
        if feed.kind is None:
            doubts = "".join(f" {doubt}" for doubt in feed.doubts)
            reason = f"nothing in it looks like a product or an action; it has {format_names(feed.names)}.{doubts}"
            draft.unused_files |= dict.fromkeys(paths, reason)
        else:
            drafts.append(feed)
    _draft_shop_settings(drafts)
    for feed in drafts:
        draft.feeds[_choose_name(feed, draft.feeds)] = feed
    return draft


def make_glob(path: str) -> str:
    """Return the glob of a file and of those whose paths differ only in digits, such as `clicks/2026-*.csv`."""
    glob = re.sub(r"\d+", "*", path)
    return re.sub(r"\*([-_.]?\*)+", "*", glob)


def _read_first_sample(landing: Path, paths: list[str]) -> FileSample:
    """Read the sample of the first file that has records.

    Raises:
        UnreadableFileError: No file has records; the error is that of the first one.
    """
    errors: list[UnreadableFileError] = []
    for path in paths[:20]:
        try:
            return read_sample(landing / path)
        except UnreadableFileError as error:
            errors.append(error)
        except OSError as error:
            errors.append(UnreadableFileError(f"the file cannot be read: {error.strerror}"))
    raise errors[0]


def draft_feed(sample: FileSample, glob: str, paths: list[str]) -> FeedDraft:
    """Draft one feed from the sample of its files."""
    feed = FeedDraft(glob, paths, names=sample.names, doubts=list(sample.doubts))
    feed.settings = {"format": sample.format, **sample.settings}
    sample = _draft_lists(feed, sample)
    feed.kind = guess_kind(sample)
    if feed.kind is None:
        return feed
    feed.settings["columns"] = columns = guess_columns(sample, feed.kind)
    if "line_total" in columns and "price" in columns:
        del columns["line_total"]
    _draft_times(feed, sample)
    for column, name in columns.items():
        if not is_known_name(column, name):
            feed.doubts.append(f"{column}: {name} was chosen by its values only.")
    amount_names = [columns[column] for column in ("price", "line_total") if column in columns]
    numbers = [value for name in amount_names for value in sample.get_values(name)]
    number_settings, doubt = guess_number_settings(numbers)
    feed.settings |= number_settings
    feed.doubts += [doubt] if doubt else []
    if feed.kind == "events":
        _draft_event_types(feed, sample)
    if feed.kind == "purchases":
        _draft_statuses(feed, sample)
    if feed.kind == "products":
        _draft_catalog(feed, sample)
    return feed


def _draft_lists(feed: FeedDraft, sample: FileSample) -> FileSample:
    """Draft `unnest` and `key_values` for lists within the records; return the sample as these settings make it."""
    for name in sample.names:
        lists = [value for value in sample.get_values(name) if isinstance(value, list)]
        items = [item for value in lists for item in value if isinstance(item, dict)]
        if not items or name.startswith("$."):
            continue
        if all({"key", "value"} <= set(item) for item in items):
            feed.settings.setdefault("key_values", []).append(name)
            sample = _replace(sample, name, lambda value: [_read_key_values(value)])
        elif "unnest" not in feed.settings and guess_columns(FileSample("json", items), "products"):
            feed.settings["unnest"] = name
            sample = _replace(sample, name, lambda value: value if isinstance(value, list) and value else [None])
    return sample


def _replace(sample: FileSample, name: str, expand: Any) -> FileSample:
    """Return the sample with one record for each of the values that `expand` returns for the value of a name."""
    records = [{**record, name: value} for record in sample.records for value in expand(record.get(name))]
    return FileSample(sample.format, records, sample.settings, sample.doubts)


def _read_key_values(pairs: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        value = pair.get("value") if isinstance(pair, dict) else None
        members = value.values() if isinstance(value, dict) else [value]
        values[str(pair.get("key"))] = next((member for member in members if member is not None), None)
    return values


def _draft_times(feed: FeedDraft, sample: FileSample) -> None:
    columns: dict[str, str] = feed.settings["columns"]
    formats = []
    has_local_times = False
    for column in TIME_COLUMNS:
        values = sample.get_values(columns[column]) if column in columns else []
        if values and (guess := guess_time_format(values)):
            formats.append(guess[0])
            feed.doubts += [guess[1]] if guess[1] else []
            texts = [str(value).strip() for value in values]
            has_offsets = all(re.search(r"(Z|[-+]\d\d:?\d\d)$", text, re.I) for text in texts)
            has_local_times |= not guess[0].startswith("epoch") and not has_offsets
    if formats and formats != ["iso"]:
        feed.settings["timestamp_formats"] = list(dict.fromkeys(formats))
    if has_local_times:
        feed.settings["time_zone"] = "UTC"
        feed.doubts.append("The times have no offset. Ask the shop for their time_zone, such as Europe/Paris.")


def _draft_event_types(feed: FeedDraft, sample: FileSample) -> None:
    declared, unknown = guess_event_types(sample.get_values(feed.settings["columns"]["event_type"]))
    event_types: dict[str, list[str]] = dict(declared)
    if unknown:
        event_types["ignored"] = unknown
        feed.doubts.append(f"No event type of RecoMart was recognized in {format_names(unknown)}: they are ignored.")
    if event_types:
        feed.settings["event_types"] = event_types


def _draft_statuses(feed: FeedDraft, sample: FileSample) -> None:
    """Draft conditions by the values of a status, such as cancelled."""
    for name in sample.names:
        values = Counter(str(value).strip() for value in sample.get_values(name))
        if normalize_name(name) not in STATUS_NAMES or len(values) > 30:
            continue
        left_out = [value for value in values if any(word in normalize_name(value) for word in NO_PURCHASE_WORDS)]
        returned = [value for value in values if any(word in normalize_name(value) for word in RETURN_WORDS)]
        if left_out:
            feed.settings["leave_out"] = {name: left_out}
        if returned:
            feed.settings["is_return"] = {name: returned}
        feed.doubts.append(f"{name} has the values {format_names(list(values))}. Which of them are no purchases?")
        return


def _draft_catalog(feed: FeedDraft, sample: FileSample) -> None:
    columns: dict[str, str] = feed.settings["columns"]
    for name in sample.names:
        if normalize_name(name) != "handle" or columns["product_id"] == name or "product_name" not in columns:
            continue
        flat_records = [flatten(record) for record in sample.records]
        if any(not record.get(columns["product_name"]) for record in flat_records):
            feed.settings["fill_down"] = name
    if len(feed.paths) > 1:
        feed.doubts.append("If every delivery has all products, declare whole: true: absent ones are then unavailable.")


def _draft_shop_settings(feeds: list[FeedDraft]) -> None:
    """Draft what depends on all feeds: joined files, and product attributes in events and purchases."""
    _join_orders(feeds)
    has_catalog = any(feed.kind == "products" for feed in feeds)
    for feed in feeds:
        has_attributes = any(column in feed.settings["columns"] for column in ("product_name", "category", "brand"))
        if feed.kind in ("events", "purchases") and (has_attributes or not has_catalog):
            feed.settings["carries"] = ["products"]


def _join_orders(feeds: list[FeedDraft]) -> None:
    """Join files of order lines, which lack customer or time, with the file of their orders."""
    lines = [feed for feed in feeds if feed.kind in ("purchases", "products") and _has_order_id(feed)]
    for feed in lines:
        purchase_columns = _map_as_purchases(feed)
        if "product_id" not in purchase_columns or {"user_id", "purchased_at"} <= set(purchase_columns):
            continue
        for orders in feeds:
            order_columns = orders.settings["columns"] if orders.kind == "purchases" else {}
            key = purchase_columns.get("transaction_id")
            if orders is feed or "product_id" in order_columns or order_columns.get("transaction_id") != key:
                continue
            feed.kind = "purchases"
            feed.settings["columns"] = {
                c: n for c, n in purchase_columns.items() if c not in ("purchased_at", "user_id")
            }
            joined_columns = {
                c: n for c, n in order_columns.items() if c in ("transaction_id", "user_id", "purchased_at")
            }
            feed.settings["join"] = {"files": orders.glob, "columns": joined_columns}
            for setting in ("timestamp_formats", "time_zone", "leave_out", "is_return"):
                feed.settings.pop(setting, None)
                if setting in orders.settings:
                    feed.settings[setting] = orders.settings[setting]
            feed.doubts = orders.doubts
            feeds.remove(orders)
            return


def _has_order_id(feed: FeedDraft) -> bool:
    return "transaction_id" in _map_as_purchases(feed)


def _map_as_purchases(feed: FeedDraft) -> dict[str, str]:
    if feed.kind == "purchases":
        return dict(feed.settings["columns"])
    sample = FileSample(feed.settings["format"], [dict.fromkeys(feed.names, "1")])
    return guess_columns(sample, "purchases")


def _choose_name(feed: FeedDraft, taken_names: Iterable[str]) -> str:
    name = str(feed.kind)
    if name not in taken_names:
        return name
    stem = re.sub(r"\W+", "_", feed.glob.rpartition(".")[0].replace("*", "")).strip("_").lower() or name
    number = 1
    candidate = stem
    while candidate in taken_names or candidate in RAW_COLUMNS:
        number += 1
        candidate = f"{stem}_{number}"
    return candidate
