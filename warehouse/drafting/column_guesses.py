"""Guesses about a sample: which name fills each column, the kind of the rows, and the event types."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

from warehouse.drafting import value_tests
from warehouse.drafting.file_samples import FileSample
from warehouse.drafting.name_words import count_other_words, find_concepts, find_event_type_concepts
from warehouse.drafting.value_tests import Values, measure_ids, measure_pattern, measure_times
from warehouse.sources.columns import PRODUCT_ATTRIBUTES, RAW_COLUMNS, FeedKind

ColumnMapping = dict[str, str | list[str] | dict[str, str]]
"""Column: name in the files, names whose values are joined, or a constant."""


class Guess(NamedTuple):
    """How a column is recognized."""

    phrases: str
    """Concepts of its names, the likeliest first; a name before a bar is taken before any column takes one after it."""

    measure: Callable[[Values], float]
    """How well values fit the column, from 0 to 1."""

    measure_alone: Callable[[Values], float] | None = None
    """The same for files without names; None if values alone show nothing."""


measure_numbers = measure_pattern(value_tests.NUMBER_PATTERN)
measure_money = measure_pattern(value_tests.MONEY_PATTERN)
measure_emails = measure_pattern(value_tests.EMAIL_PATTERN)
measure_times_of_day = measure_pattern(value_tests.TIME_OF_DAY_PATTERN)
measure_currencies = measure_pattern(value_tests.CURRENCY_PATTERN)

GUESSES = {
    "event_id": Guess("event id, message id, hit id, insert id | | | id", measure_ids),
    "user_id": Guess(
        "user id, uid, distinct id, card id, user card | user, user email, email* | card, install id, device id | "
        "u, c, who, cid",
        measure_ids,
        measure_emails,
    ),
    "transaction_id": Guess("order id, sale id, increment id, oid | order | | name, o, id", measure_ids),
    "product_id": Guess(
        "product id, sku* | item id, stock id, product | barcode*, item, handle, object id | id, p, pid", measure_ids
    ),
    "event_type": Guess("event type, event name, event | | type | name, t", value_tests.measure_event_types),
    "event_at": Guess(
        "event time, event created time | created time, time, user time, created | sent time",
        measure_times,
        measure_times,
    ),
    "device": Guess("device type, device category, device | os", value_tests.measure_devices),
    "session_id": Guess("session id, session, user session", measure_ids),
    "quantity": Guess("quantity*, unit quantity, quantity created", measure_numbers, value_tests.measure_small_counts),
    "price": Guess(
        "unit price, unit amount, item price, sale price, price* | price amount, quantity price, price unit | rrp",
        measure_numbers,
        measure_money,
    ),
    "line_total": Guess(
        "line total, line amount, line price, item total, item amount, total price, total amount, sale amount, "
        "sale total | total, amount, sale",
        measure_numbers,
    ),
    "currency": Guess("currency*, currency id, price currency", measure_currencies),
    "purchased_at": Guess(
        "order time, sale time, order created time | created time, paid time, time, event time, created | sent time",
        measure_times,
        measure_times,
    ),
    "product_name": Guess(
        "product name, item name, line name | name, product description, item description | description | product, "
        "item",
        value_tests.measure_names,
    ),
    "category": Guess(
        "category, category name, product category, item category, category* | product type, product type name, "
        "product group, group name | type, group, category id",
        value_tests.measure_categories,
    ),
    "brand": Guess("brand*, brand name", value_tests.measure_labels),
    "popularity_score": Guess("score, product score, score quantity | sale quantity", measure_numbers),
    "is_available": Guess(
        "stock, stock status, stock quantity, product stock | status", value_tests.measure_availability
    ),
    "updated_at": Guess("updated*, updated time | valid from | time", measure_times),
    # Values that are none of RecoMart's columns.
    "line number": Guess("line id, order item id, line item id, line order item id, line | item position", measure_ids),
    "order total": Guess("order total, order amount, order price, total order amount", measure_numbers),
}
"""How each column is recognized, by the concepts of a name and by its values."""

ALL_COLUMNS = {column for columns in RAW_COLUMNS.values() for column in columns}

OWN_IDS = {"events": "event_id", "purchases": "transaction_id", "products": "product_id"}
"""The column that a name without a word but id fills."""

TIME_COLUMNS = ("event_at", "purchased_at", "updated_at")

EVENT_TYPE_PHRASES = {
    "view": ["view"],
    "click": ["click"],
    "add_to_cart": ["add cart", "add", "cart"],
    "remove_from_cart": ["remove cart", "remove"],
    "purchase": ["purchase", "order", "order done", "checkout done", "purchase done", "add purchase"],
}
"""Concepts of the names that shops use for each event type."""

PATH_EVENT_TYPES = {"click": "click", "view": "view", "cart": "add_to_cart"}
"""Concepts of the names of files whose rows are all events of one type."""

NOT_TIME_CONCEPTS = frozenset({"id", "sku", "barcode", "product", "user", "quantity", "price", "shipping", "-"})


def guess_columns(sample: FileSample, kind: FeedKind) -> dict[str, str | list[str]]:
    """Guess which name of the sample fills each column of a feed of this kind; columns without a guess are left out."""
    sources: dict[str, str] = {}
    if kind == "events" and (event_type_name := find_event_type_name(sample)):
        sources["event_type"] = event_type_name
    guesses = {
        column: _split_phrases(guess.phrases)
        for column, guess in GUESSES.items()
        if (column in RAW_COLUMNS[kind] or column not in ALL_COLUMNS) and column != "event_type"
    }
    # Values that are no columns take their names first.
    columns = sorted(guesses, key=lambda column: (column in ALL_COLUMNS, column != OWN_IDS[kind]))
    for is_own, tier in product((True, False), range(4)):
        for column in columns:
            if column not in sources and tier < len(guesses[column]):
                names = [name for name in sample.names if name not in sources.values()]
                names = [name for name in names if _is_own_name(sample, kind, column, name) == is_own]
                if name := _find_best_name(sample, kind, column, guesses[column][tier], names):
                    sources[column] = name
    _guess_by_values(sample, kind, sources)
    mapping: dict[str, str | list[str]] = {column: sources[column] for column in RAW_COLUMNS[kind] if column in sources}
    return mapping | _pair_dates_with_times(sample, sources)


def _is_own_name(sample: FileSample, kind: FeedKind, column: str, name: str) -> bool | None:
    """Return whether a column prefers the name: of the items of a list, or of the record around it; None excludes it.

    The amounts of a record are those of all items together.
    """
    if not sample.item_list or column in ("currency", "is_available", "line number"):
        return True
    is_item = sample.is_item_name(name)
    attributes = () if kind == "products" else PRODUCT_ATTRIBUTES
    if column in ("product_id", "quantity", "price", "line_total", *attributes):
        return True if is_item else None
    if column == "order total":
        return None if is_item else True
    return not is_item


def _find_best_name(
    sample: FileSample, kind: FeedKind, column: str, phrases: Sequence[str], names: Sequence[str]
) -> str | None:
    """Find the name that fits one of the phrases and whose values fit best."""
    candidates = []
    for name in names:
        match = _match_phrases(phrases, name)
        if match and (fitness := _measure(sample, kind, column, name)):
            candidates.append((-fitness, *match, len(name), name))
    return min(candidates)[-1] if candidates else None


def _match_phrases(phrases: Sequence[str], name: str) -> tuple[int, int] | None:
    """Return how many other words a name has beside the best of the phrases that it fits, and its index, or None."""
    concepts = find_concepts(name)
    matches = [
        (count, index)
        for index, phrase in enumerate(phrases)
        if phrase and (count := count_other_words(phrase, concepts)) is not None
    ]
    return min(matches, default=None)


def is_named_like(column: str, name: str) -> bool:
    """Return whether a name is one of those that files use for the column."""
    return any(_match_phrases(phrases, name) for phrases in _split_phrases(GUESSES[column].phrases))


def _split_phrases(phrases: str) -> list[list[str]]:
    """Split the phrases of a guess into groups of descending likelihood."""
    return [group.strip().split(", ") for group in phrases.split("|")]


def _measure(sample: FileSample, kind: FeedKind, column: str, name: str) -> float:
    """Return how well the values of a name fit a column; few values fit worse."""
    values = sample.get_values(name)
    if not values or any(isinstance(value, list | dict) for value in values):
        return 0
    concepts = find_concepts(name)
    texts = [str(value) for value in values]
    if concepts == ("name",) and column == "transaction_id":
        # Shopify writes the number of an order, such as #1001, as its name.
        return value_tests.measure_share(texts, lambda text: text.startswith("#")) > 0.9
    if concepts == ("id",) and column in OWN_IDS.values() and column != OWN_IDS[kind] and len(texts) >= 10:
        # The id of a row is no product.
        return len(set(texts)) < len(texts)
    is_filled = len(values) >= len(sample.records) / 2
    return round(GUESSES[column].measure(values), 1) * (1 if is_filled else 0.5)


def _guess_by_values(sample: FileSample, kind: FeedKind, sources: dict[str, str]) -> None:
    """Guess columns by values only: times, customers, and all that is possible in files without names."""
    has_names = "names" not in sample.settings
    for column in RAW_COLUMNS[kind]:
        measure = GUESSES[column].measure_alone
        if column in sources or measure is None or (has_names and column not in ("user_id", *TIME_COLUMNS)):
            continue
        for name in sample.names:
            is_free = name not in sources.values() and not NOT_TIME_CONCEPTS.intersection(find_concepts(name))
            values = sample.get_values(name)
            if is_free and len(values) > len(sample.records) / 2 and measure(values):
                sources[column] = name
                break


def _pair_dates_with_times(sample: FileSample, sources: dict[str, str]) -> dict[str, str | list[str]]:
    """Return the time columns whose dates have their time of day in another column."""
    pairs: dict[str, str | list[str]] = {}
    for column in TIME_COLUMNS:
        time_format = value_tests.guess_time_format(sample.get_values(sources[column])) if column in sources else None
        if time_format is None or time_format.has_time_of_day:
            continue
        for name in sample.names:
            is_free_time = name not in sources.values() and measure_times_of_day(sample.get_values(name))
            if is_free_time and value_tests.guess_time_format(sample.get_values([sources[column], name])):
                pairs[column] = [sources[column], name]
                break
    return pairs


def find_event_type_name(sample: FileSample) -> str | None:
    """Find the name whose values include those of event types, such as view; prefer a known name."""
    phrases = _split_phrases(GUESSES["event_type"].phrases)
    candidates = []
    for name in sample.names:
        values = sample.get_values(name)
        if not values or isinstance(values[0], list | dict) or not value_tests.measure_event_types(values):
            continue
        tiers = [tier for tier, group in enumerate(phrases) if _match_phrases(group, name)]
        has_known_values = any(get_event_type(str(value)) for value in set(map(str, values)))
        # A type or a name of something else has other values.
        if has_known_values or (tiers and tiers[0] == 0):
            candidates.append((not tiers, not has_known_values, min(tiers, default=9), len(name), name))
    return min(candidates)[-1] if candidates else None


def get_event_type(value: str, *, has_product: bool = False) -> str | None:
    """Return the event type that a shop's name means, or None; a page that always has a product shows that product."""
    concepts = find_event_type_concepts(value)
    if has_product:
        concepts = frozenset("view" if concept == "page" else concept for concept in concepts)
    return next(
        (
            event_type
            for event_type, phrases in EVENT_TYPE_PHRASES.items()
            if any(set(phrase.split()) == concepts for phrase in phrases)
        ),
        None,
    )


def guess_kind(sample: FileSample, glob: str) -> FeedKind | None:
    """Guess the kind of the rows from their names and values, and from the words of the files' names.

    None means that nothing identifies a product or an order.
    """
    events, purchases = guess_columns(sample, "events"), guess_columns(sample, "purchases")
    products = guess_columns(sample, "products")
    has_amount = any(column in purchases for column in ("quantity", "price", "line_total"))
    # Products have an id too, and variants.
    has_order = "transaction_id" in purchases and (
        find_concepts(str(purchases["transaction_id"])) != ("id",)
        or "order" in get_path_concepts(glob)
        or (sample.item_list is not None and ("user_id" in purchases or "quantity" in purchases))
    )
    is_order_line = "product_id" in purchases and has_order and has_amount
    has_user, has_time = "user_id" in purchases or "session_id" in events, "purchased_at" in purchases
    is_order_file = "order" in get_path_concepts(glob)
    if "event_at" in events and not is_order_line:
        if find_event_type_in_path(glob) or (has_user and "event_type" in events):
            return "events"
        if has_user and "product_id" in events and not (has_order or has_amount or is_order_file):
            return "events"
    types = {get_event_type(str(value)) for value in sample.get_values(events.get("event_type"))}
    if "event_at" in events and types - {None, "purchase"}:
        return "events"
    if "product_id" in purchases and ((has_time and has_user) or (has_order and (has_time or has_amount))):
        return "purchases"
    if (has_time and (has_order or is_order_file)) or (has_order and "product_id" in purchases and len(products) == 1):
        return "purchases"
    min_columns = 3 if find_concepts(str(products.get("product_id"))) == ("id",) else 2
    is_catalog_file = {"product", "item", "catalog"}.intersection(get_path_concepts(f"{glob}/{sample.part}"))
    is_catalog = "product_id" in products and (is_catalog_file or len(products) >= min_columns)
    return "products" if is_catalog else None


def get_path_concepts(glob: str) -> set[str]:
    """Return the concepts of the names of files and folders; a sale is an order."""
    parts = glob.split("/")
    concepts = {concept for part in parts for concept in find_concepts(part.replace("$", ""))}
    event_types = {concept for part in parts for concept in find_event_type_concepts(part)}
    return concepts | ({"order"} if "sale" in concepts or "purchase" in event_types else set())


def find_event_type_in_path(glob: str) -> str | None:
    """Return the event type that the words of a file's name mean, such as clicks."""
    concepts = {concept for part in glob.split("/") for concept in find_event_type_concepts(part)}
    return next((PATH_EVENT_TYPES[concept] for concept in PATH_EVENT_TYPES if concept in concepts), None)
