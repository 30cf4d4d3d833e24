"""Drafts of all feeds of a shop: what depends on several files, such as joined files and product ids."""

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any

from warehouse.drafting.column_guesses import find_event_type_in_path, guess_columns, guess_kind, is_named_like
from warehouse.drafting.feed_drafts import FeedDraft, draft_feeds
from warehouse.drafting.record_samples import MAX_SAMPLE_RECORDS, Doubt, RecordSample
from warehouse.drafting.sample_reader import find_load_problem, read_samples
from warehouse.drafting.value_tests import MIN_EVIDENCE, MIN_SHARE, measure_ids
from warehouse.formatting import format_names
from warehouse.loading.landing_files import UnreadableFileError, find_unmatched_files
from warehouse.settings import LOG_FOLDER
from warehouse.sources.columns import ID_COLUMNS, PRODUCT_ATTRIBUTES, RAW_COLUMNS, REQUIRED_COLUMNS

RANDOM_ID_PATTERN = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![a-z0-9])[0-9a-f]{16,}(?![a-z0-9])")
"""Ids in the names of files that programs such as Spark write."""

MAX_TRIED_FILES = 20
"""Number of files of a kind that are tried until one can be read."""

CARRYING_KINDS = ("events", "purchases")
"""Kinds of the feeds whose rows can have attributes of products."""

ORDER_COLUMNS = ("transaction_id", "user_id", "purchased_at", "currency")
"""Columns that the file of orders fills in their lines."""


@dataclass
class SourcesDraft:
    """The guessed feeds of a folder, by name."""

    feeds: dict[str, FeedDraft]
    unused_files: dict[str, str]
    """The files, and parts of files, that no feed uses, with the reason."""


def draft_sources(landing: Path, linked_folders: Collection[Path] = ()) -> SourcesDraft:
    """Draft the feeds of a landing folder from samples of its files, and of linked ones in `linked_folders`."""
    allowed_folders = [landing.resolve(), *linked_folders]
    draft = SourcesDraft({}, {})
    groups: dict[str, FeedDraft] = {}
    for globs, paths in _group_paths(_find_shop_files(landing)):
        try:
            samples = _read_first_samples([landing / path for path in paths], allowed_folders)
        except UnreadableFileError as error:
            draft.unused_files |= dict.fromkeys(paths, str(error))
            continue
        for sample in samples:
            # Files of several stores have equal columns, and are one feed.
            content = (sample.format, sample.part, sample.settings, sorted(sample.names))
            kind = repr((*content, guess_kind(sample, globs[0]), find_event_type_in_path(globs[0])))
            group = groups.setdefault(kind, FeedDraft([], [], sample.replace_records([])))
            group.globs += globs
            group.paths += paths
            group.sample.records += sample.records
    feeds: list[FeedDraft] = []
    unknown: list[FeedDraft] = []
    for group in groups.values():
        sample = group.sample
        drafts = draft_feeds(sample, group.globs, group.paths)
        feeds += [feed for feed in drafts if feed.kind]
        unknown += [feed for feed in drafts if not feed.kind]
        if not all(feed.kind for feed in drafts):
            reason = f"nothing in it looks like a product or an action; it has {format_names(sample.names)}."
            reason = " ".join([reason, *map(str, sample.doubts)]) if sample.records else "it is no table"
            draft.unused_files |= {f"{path}, {sample.part}".removesuffix(", "): reason for path in group.paths}
    _align_product_ids(feeds)
    _join_orders(feeds)
    has_catalog = any(feed.kind == "products" for feed in feeds)
    for feed in feeds:
        if feed.kind in CARRYING_KINDS and (
            not has_catalog or any(name in feed.columns for name in PRODUCT_ATTRIBUTES)
        ):
            feed.settings["carries"] = ["products"]
        if feed.kind and not feed.missing_columns:
            problem = find_load_problem(landing / feed.paths[0], feed.kind, feed.settings)
            feed.doubts += [Doubt(problem)] if problem else []
        draft.feeds[_choose_name(feed, draft.feeds)] = feed
    for feed in unknown:
        # A table with ids beside feeds is of something else, such as customers.
        is_other = bool(feeds) and not guess_columns(feed.sample, "purchases").keys().isdisjoint(ID_COLUMNS)
        if len(feed.sample.names) > 1 and "names" not in feed.settings and not is_other:
            feed.kind = "purchases"
            feed.settings["columns"] = dict.fromkeys(REQUIRED_COLUMNS["purchases"], "")
            feed.add_doubt("A template: nothing was recognized. If it is a feed, choose its kind, and map columns.")
            draft.feeds[_choose_name(feed, draft.feeds)] = feed
    return draft


def _find_shop_files(landing: Path) -> list[str]:
    """Return the relative paths of the files, without those of the logs that RecoMart writes."""
    return [path for path in find_unmatched_files(landing, ()) if PurePosixPath(path).parts[0] != LOG_FOLDER]


def _group_paths(paths: list[str]) -> list[tuple[list[str], list[str]]]:
    """Return the globs of each group of files, and their paths.

    Where the glob of a group also matches other files, it is exact to the digit; where that is not enough, the files
    are listed.
    """
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(make_glob(path), []).append(path)
    result = []
    for glob, group in groups.items():
        digit_globs = sorted({re.sub("[0-9]", "[0-9]", RANDOM_ID_PATTERN.sub("*", escape(path))) for path in group})
        options = ([glob], digit_globs)
        globs = next((globs for globs in options if find_matches(paths, globs) == group), list(map(escape, group)))
        result.append((globs, group))
    return result


def make_glob(path: str) -> str:
    """Return the glob of a file and of those whose paths differ only in digits and random ids."""
    return re.sub(r"\*([-_.]?\*)+", "*", re.sub("[0-9]+", "*", RANDOM_ID_PATTERN.sub("*", escape(path))))


def find_matches(paths: list[str], globs: list[str]) -> list[str]:
    """Return the paths that globs match."""
    # A glob without a root would match the end of a path.
    return [path for path in paths if any(PurePosixPath("/", path).match(f"/{glob}") for glob in globs)]


def _read_first_samples(paths: list[Path], allowed_folders: Collection[Path]) -> list[RecordSample]:
    """Read the samples of the first file that has records, with the records of the last one.

    Raises:
        UnreadableFileError: No file has records; the error is that of the first one.
    """
    errors: list[UnreadableFileError] = []
    for path in paths[:MAX_TRIED_FILES]:
        try:
            samples = read_samples(path, allowed_folders)
            break
        except UnreadableFileError as error:
            errors.append(error)
    else:
        raise errors[0]
    if path != paths[-1]:
        # Files of one day do not show whether days precede months.
        with suppress(UnreadableFileError):
            for sample, last_sample in zip(samples, read_samples(paths[-1], allowed_folders), strict=False):
                if (sample.part, sample.settings) == (last_sample.part, last_sample.settings):
                    sample.records += last_sample.records
    return samples


# -- Product ids ------------------------------------------------------------------------------------------------------


def _align_product_ids(feeds: list[FeedDraft]) -> None:
    """Choose names of product ids that the catalog and the other feeds share, where the guessed ones differ."""
    catalog = next((feed for feed in feeds if feed.kind == "products"), None)
    for feed in feeds:
        if catalog is None or feed.kind == "products":
            continue
        own_pair = str(feed.columns.get("product_id", "")), str(catalog.columns["product_id"])
        names = [name for name in feed.unused_names if not own_pair[0] or is_named_like("product_id", name)]
        shares = {
            (name, key): _measure_common_ids(name, feed.sample.get_values(name), catalog.sample.get_values(key))
            for name in (own_pair[0], *names)
            for key in list_keys(catalog)
        }
        name, key = max(shares, key=lambda pair: shares[pair])
        share = shares[name, key]
        if shares[own_pair] < MIN_SHARE <= share:
            feed.columns["product_id"], catalog.columns["product_id"] = name, key
            feed.doubts = [doubt for doubt in feed.doubts if doubt.column != "product_id"]
            feed.add_doubt(f"{share:.0%} of the values of {name} are in {key} of {catalog.globs[0]}.", "product_id")
        is_whole = len(catalog.sample.records) < MAX_SAMPLE_RECORDS
        if is_whole and not share and len(set(map(str, feed.get_values("product_id")))) >= MIN_EVIDENCE:
            feed.add_doubt(f"No value is in {own_pair[1]} of {catalog.globs[0]}. Are these the same ids?", "product_id")


def _measure_common_ids(name: str, values: list[Any], known_values: list[Any]) -> float:
    """Return the share of the values of a name that are known ids."""
    ids = set(map(str, values))
    # Small numbers are in many columns.
    if all(len(value) < 3 for value in ids) and not is_named_like("product_id", name):
        return 0
    return len(ids.intersection(map(str, known_values))) / max(1, len(ids))


def list_keys(feed: FeedDraft) -> list[str]:
    """Return the name that is mapped as id, and those that are not mapped and whose values identify the rows."""
    own_key = feed.columns.get("product_id" if feed.kind == "products" else "transaction_id")
    return [
        name
        for name in (*([own_key] if isinstance(own_key, str) else []), *feed.unused_names)
        if name == own_key
        or (
            (values := feed.sample.get_values(name))
            and measure_ids(values)
            and len(set(map(str, values))) >= MIN_SHARE * len(feed.sample.records)
        )
    ]


# -- Orders and their lines -------------------------------------------------------------------------------------------


def _join_orders(feeds: list[FeedDraft]) -> None:
    """Join files of order lines, which lack customer or time, with the files of their orders."""
    headers = [
        feed
        for feed in feeds
        if feed.kind == "purchases" and {"product_id", "purchased_at"}.intersection(feed.columns) == {"purchased_at"}
    ]
    joined: list[FeedDraft] = []
    for lines in feeds:
        columns = set(lines.columns) if lines.kind == "purchases" else set()
        if not {"product_id", "transaction_id"} <= columns or {"user_id", "purchased_at"} <= columns:
            continue
        options = [
            (_compare_order_ids(lines, orders, key), key, orders) for orders in headers for key in list_keys(orders)
        ]
        likeness, key, orders = max(options, key=lambda option: option[0], default=((), "", lines))
        if any(likeness):
            _join(lines, orders, key)
            joined.append(orders)
    feeds[:] = [feed for feed in feeds if feed not in joined]


def _compare_order_ids(lines: FeedDraft, orders: FeedDraft, key: str) -> tuple[bool, bool, float, bool]:
    """Return how well a name in a file of orders fits the order ids of lines.

    The ids of the samples decide; they can differ if the files are long, so an equal name counts as well.
    """
    ids = set(map(str, lines.get_values("transaction_id")))
    share = len(ids.intersection(map(str, orders.sample.get_values(key)))) / max(1, len(ids))
    is_equal = key == lines.columns["transaction_id"]
    return share >= MIN_SHARE, is_equal, share, "user_id" in orders.columns and (is_equal or share > 0)


def _join(lines: FeedDraft, orders: FeedDraft, key: str) -> None:
    columns = {column: name for column, name in orders.columns.items() if column in ORDER_COLUMNS}
    columns["transaction_id"] = key
    formats = dict(orders.sample.settings)
    if (orders.sample.format, formats.get("encoding")) != (lines.sample.format, lines.settings.get("encoding")):
        formats["format"] = orders.sample.format
    lines.settings["columns"] = {c: n for c, n in lines.columns.items() if c == "transaction_id" or c not in columns}
    lines.settings["join"] = {"files": format_globs(orders.globs), **formats, "columns": columns}
    lines.unused_joined_names = [name for name in orders.sample.names if name not in columns.values()]
    if "leave_out" in orders.settings:
        lines.leave_out(orders.settings["leave_out"])
    for setting in ("timestamp_formats", "time_zone"):
        lines.settings.pop(setting, None)
        if setting in orders.settings:
            lines.settings[setting] = orders.settings[setting]
    lines.doubts = [*(doubt for doubt in lines.doubts if doubt.column not in columns), *orders.doubts]


def format_globs(globs: list[str]) -> str | list[str]:
    """Return globs as the sources file has them."""
    return globs[0] if len(globs) == 1 else globs


def _choose_name(feed: FeedDraft, taken_names: Iterable[str]) -> str:
    """Return the kind, or if another feed has that name, one of the words of the files."""
    stem = re.sub(r"\W+", "_", feed.globs[0].rpartition(".")[0].replace("*", "")).strip("_").lower()
    names = (str(feed.kind), stem, *(f"{stem or feed.kind}_{number}" for number in range(2, 1_000)))
    return next(
        name for name in names if name and name not in taken_names and (name == feed.kind or name not in RAW_COLUMNS)
    )
