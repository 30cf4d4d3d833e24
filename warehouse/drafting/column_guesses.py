"""Guesses about a sample: which name fills each column, the kind of the rows, and the event types."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from warehouse.drafting import value_tests
from warehouse.drafting.name_words import count_other_words, find_concepts, find_event_type_concepts
from warehouse.drafting.record_samples import RecordSample
from warehouse.drafting.value_tests import MIN_EVIDENCE, MIN_SHARE, WEAK_FIT, Values, is_mostly, measure_ids
from warehouse.sources.columns import PRODUCT_ATTRIBUTES, RAW_COLUMNS, TIME_COLUMNS, VISITOR_COLUMNS, FeedKind

ColumnMapping = dict[str, str | list[str] | dict[str, str]]
"""Column: name in the files, names whose values are joined, or a constant."""


class Guess(NamedTuple):
    """How a column is recognized: by phrases of concepts in its name, in three ranks, and by its values.

    All columns take the names of one rank before any column takes a name of the next rank.
    """

    measure: Callable[[Values], float]
    """How well values fit the column, from 0 to 1."""

    likely: tuple[str, ...]
    possible: tuple[str, ...] = ()
    generic: tuple[str, ...] = ()
    """Names that many things have, such as id."""

    measure_alone: Callable[[Values], float] | None = None
    """The same as `measure` for values whose name says nothing; None if values alone show nothing."""

    @property
    def ranks(self) -> tuple[tuple[str, ...], ...]:
        """The phrases by rank; of one rank, the first ones are the likeliest."""
        return self.likely, self.possible, self.generic


GUESSES = {
    "event_id": Guess(measure_ids, ("event id", "message id", "msg id", "hit id", "insert id", "eid"), generic=("id",)),
    "user_id": Guess(
        measure_ids,
        ("user id", "uid", "distinct id", "card id", "user card"),
        ("user", "user email", "email", "card", "install id", "device id"),
        ("u", "c", "cid"),
        value_tests.measure_emails,
    ),
    "transaction_id": Guess(
        measure_ids, ("order id", "sale id", "increment id", "oid"), ("order",), ("name", "o", "id")
    ),
    "product_id": Guess(
        measure_ids,
        ("product id", "sku"),
        ("item id", "stock id", "product", "barcode", "item", "handle", "object id"),
        ("id", "p", "pid"),
    ),
    "event_type": Guess(
        value_tests.measure_event_types, ("event type", "event name", "event"), ("type",), ("name", "t")
    ),
    "event_at": Guess(
        value_tests.measure_times,
        ("event time", "event created time"),
        ("created time", "time", "user time", "created", "sent time"),
        measure_alone=value_tests.measure_times,
    ),
    "device": Guess(
        value_tests.has_few_values, ("device type", "device category", "device form", "form factor", "device"), ("os",)
    ),
    "session_id": Guess(measure_ids, ("session id", "session", "user session")),
    "quantity": Guess(
        value_tests.measure_numbers,
        ("quantity", "unit quantity", "quantity created"),
        measure_alone=value_tests.measure_small_counts,
    ),
    "price": Guess(
        value_tests.measure_numbers,
        ("unit price", "unit amount", "item price", "sale price", "price"),
        ("price amount", "quantity price", "price unit", "rrp"),
        measure_alone=value_tests.measure_money,
    ),
    "line_total": Guess(
        value_tests.measure_numbers,
        (
            *("line total", "line amount", "line price", "item total", "item amount", "total price", "total amount"),
            *("sale amount", "sale total"),
        ),
        ("total", "amount", "sale"),
    ),
    "currency": Guess(value_tests.measure_currencies, ("currency", "currency id", "price currency")),
    "purchased_at": Guess(
        value_tests.measure_times,
        ("order time", "sale time", "order created time"),
        ("created time", "paid time", "time", "event time", "created", "sent time"),
        measure_alone=value_tests.measure_times,
    ),
    "product_name": Guess(
        value_tests.measure_names,
        ("product name", "item name", "line name"),
        ("name", "product description", "item description", "description"),
        ("product", "item"),
    ),
    "category": Guess(
        value_tests.measure_categories,
        ("category", "category name", "product category", "item category"),
        ("product type", "product type name", "product group", "group name"),
        ("type", "group", "category id"),
    ),
    "brand": Guess(value_tests.measure_labels, ("brand", "brand name")),
    "popularity_score": Guess(
        value_tests.measure_numbers, ("score", "product score", "score quantity"), ("sale quantity",)
    ),
    "is_available": Guess(
        value_tests.measure_availability, ("stock", "stock status", "stock quantity", "product stock"), ("status",)
    ),
    "updated_at": Guess(value_tests.measure_times, ("updated", "updated time"), ("valid from",), ("time",)),
    "margin": Guess(value_tests.measure_margins, ("margin", "product margin", "item margin", "margin quantity")),
    "product_url": Guess(value_tests.measure_urls, ("product link", "link", "item link"), ("page link",)),
    "image_url": Guess(
        value_tests.measure_urls,
        ("picture link", "product picture link", "product picture", "picture"),
        ("item picture", "main picture"),
    ),
    "impression_id": Guess(measure_ids, ("impression id", "event id", "message id", "hit id"), generic=("id",)),
    "placement": Guess(
        value_tests.has_few_values, ("placement", "placement name", "placement id", "slot", "widget"), ("page", "list")
    ),
    "position": Guess(
        value_tests.measure_numbers, ("line", "item line", "product line", "list line", "rank", "item rank", "index")
    ),
    "seen_at": Guess(
        value_tests.measure_times,
        ("seen time", "shown time", "impression time", "event time"),
        ("time", "created time", "created", "sent time"),
        measure_alone=value_tests.measure_times,
    ),
    "recommendation_id": Guess(measure_ids, ("recommendation id", "recommendation", "reco id", "rec id")),
    "line number": Guess(
        measure_ids, ("line id", "order item id", "line item id", "line order item id", "line"), ("item position",)
    ),
    "order total": Guess(
        value_tests.measure_numbers, ("order total", "order amount", "order price", "total order amount")
    ),
}
"""How each column is recognized, by the concepts of a name and by its values."""

OTHER_VALUES = ("line number", "order total")
"""Values in GUESSES that are none of RecoMart's columns, and take their names first."""

OWN_IDS = {
    "events": "event_id",
    "purchases": "transaction_id",
    "products": "product_id",
    "impressions": "impression_id",
}
"""The column that a name without a word but id fills."""

ITEM_COLUMNS = (
    "product_id",
    "quantity",
    "price",
    "line_total",
    "is_available",
    "popularity_score",
    "margin",
    "position",
)
"""Columns of a line of an order, or of a variant of a product; others can be those of the order or product."""

EVENT_TYPE_PHRASES = {
    "view": ["view"],
    "click": ["click"],
    "add_to_cart": ["add cart", "add", "cart"],
    "remove_from_cart": ["remove cart", "remove"],
    "purchase": ["purchase", "order", "order done", "checkout done", "purchase done", "add purchase"],
}
EVENT_TYPES = {
    frozenset(phrase.split()): event_type for event_type, phrases in EVENT_TYPE_PHRASES.items() for phrase in phrases
}
"""Event type by the concepts of the names that shops use for it."""

PATH_EVENT_TYPES = {"click": "click", "view": "view", "cart": "add_to_cart"}
"""Concepts of the names of files whose rows are all events of one type."""

MIN_FILLED_SHARE = 0.5
"""Share of rows that must have a value of a column; guests, for example, have no customer id."""

NOT_TIME_CONCEPTS = frozenset(
    {"id", "sku", "barcode", "product", "user", "quantity", "price", "shipping", "other", "picture", "link"}
)


def guess_columns(sample: RecordSample, kind: FeedKind) -> ColumnMapping:
    """Guess which name of the sample fills each column of a feed of this kind; columns without a guess are left out."""
    sources: dict[str, str] = {}
    if kind == "events" and (event_type_name := find_event_type_name(sample)):
        sources["event_type"] = event_type_name
    # The line of an impression is its position.
    other_values = OTHER_VALUES if kind != "impressions" else ()
    columns = dict.fromkeys((*other_values, OWN_IDS[kind], *RAW_COLUMNS[kind]))
    preferences = {column: _list_names(sample, kind, column) for column in columns if column != "event_type"}
    for preference in range(2):
        for rank in range(3):
            for column, names in preferences.items():
                free_names = [name for name in names[preference] if name not in sources.values()]
                phrases = () if column in sources else GUESSES[column].ranks[rank]
                if name := _find_best_name(sample, kind, column, phrases, free_names):
                    sources[column] = name
    _guess_by_values(sample, kind, sources)
    mapping: ColumnMapping = {column: sources[column] for column in RAW_COLUMNS[kind] if column in sources}
    return mapping | _pair_date_with_time(sample, kind, sources)


def _list_names(sample: RecordSample, kind: FeedKind, column: str) -> tuple[list[str], list[str]]:
    """Return the names that can fill a column: those that it prefers, and further ones.

    In a list of items, they are the names of the items, or of the records around them.
    """
    if not sample.item_list or column in ("currency", "line number"):
        return sample.names, []
    item_names = [name for name in sample.names if sample.is_item_name(name)]
    record_names = [name for name in sample.names if name not in item_names]
    if is_item_column(column, kind):
        # The amounts of a record are those of all items together.
        return item_names, []
    return record_names, [] if column == "order total" else item_names


def is_item_column(column: str, kind: FeedKind) -> bool:
    """Return whether each line of an order, or each variant of a product, has a value of its own in the column."""
    return column in ITEM_COLUMNS or (kind != "products" and column in PRODUCT_ATTRIBUTES)


def _find_best_name(
    sample: RecordSample, kind: FeedKind, column: str, phrases: Sequence[str], names: Sequence[str]
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
    counts = [(count_other_words(phrase, find_concepts(name)), index) for index, phrase in enumerate(phrases)]
    return min(((count, index) for count, index in counts if count is not None), default=None)


def is_named_like(column: str, name: str) -> bool:
    """Return whether a name is one of those that files use for the column."""
    return any(_match_phrases(phrases, name) for phrases in GUESSES[column].ranks)


def _measure(sample: RecordSample, kind: FeedKind, column: str, name: str) -> float:
    """Return how well the values of a name fit a column; few values fit worse."""
    values = sample.get_values(name)
    if not values or any(isinstance(value, list | dict) for value in values):
        return 0
    concepts = find_concepts(name)
    texts = [str(value) for value in values]
    if concepts == ("name",) and column == "transaction_id":
        # Shopify writes the number of an order, such as #1001, as its name.
        return is_mostly(texts, lambda text: text.startswith("#"))
    if concepts == ("id",) and column in OWN_IDS.values() and column != OWN_IDS[kind] and len(texts) >= MIN_EVIDENCE:
        # The id of a row is no product.
        return len(set(texts)) < len(texts)
    if column == "event_id" and not sample.item_list and len(texts) >= MIN_EVIDENCE:
        return len(set(texts)) >= MIN_SHARE * len(texts) and measure_ids(values)
    if column == "category" and concepts == ("type",) and kind != "products":
        # The type of an order, or of its line.
        return 0
    # ERP lines have the name of the customer, and describe the product.
    is_described = any("description" in find_concepts(other) for other in sample.names)
    if column == "product_name" and concepts == ("name",) and kind != "products" and is_described:
        return WEAK_FIT * GUESSES[column].measure(values)
    is_filled = len(values) >= MIN_FILLED_SHARE * len(sample.records)
    return GUESSES[column].measure(values) * (1 if is_filled else WEAK_FIT)


def _guess_by_values(sample: RecordSample, kind: FeedKind, sources: dict[str, str]) -> None:
    """Guess columns by values only: times, customers, and all that is possible in files without names."""
    has_names = "names" not in sample.settings
    for column in RAW_COLUMNS[kind]:
        measure = GUESSES[column].measure_alone
        if column in sources or measure is None or (has_names and column not in ("user_id", *TIME_COLUMNS.values())):
            continue
        for name in sample.names:
            is_free = name not in sources.values() and not NOT_TIME_CONCEPTS.intersection(find_concepts(name))
            values = sample.get_values(name)
            if is_free and len(values) >= MIN_FILLED_SHARE * len(sample.records) and measure(values):
                sources[column] = name
                break


def _pair_date_with_time(sample: RecordSample, kind: FeedKind, sources: dict[str, str]) -> dict[str, list[str]]:
    """Return the time column if its dates have their time of day in another column."""
    column = TIME_COLUMNS[kind]
    time_format = value_tests.guess_time_format(sample.get_values(sources.get(column)))
    if time_format is None or time_format.has_time_of_day:
        return {}
    for name in sample.names:
        pair = [sources[column], name]
        is_free_time = name not in sources.values() and value_tests.measure_times_of_day(sample.get_values(name))
        if is_free_time and value_tests.guess_time_format(sample.get_values(pair)):
            return {column: pair}
    return {}


def find_event_type_name(sample: RecordSample) -> str | None:
    """Find the name whose values include those of event types, such as view; prefer a known name."""
    candidates = []
    for name in sample.names:
        values = sample.get_values(name)
        if not values or isinstance(values[0], list | dict) or not value_tests.measure_event_types(values):
            continue
        ranks = [rank for rank, phrases in enumerate(GUESSES["event_type"].ranks) if _match_phrases(phrases, name)]
        # An order can be open, too.
        is_status = "status" in find_concepts(name)
        has_known_values = not is_status and any(get_event_type(value) for value in set(map(str, values)))
        # A type or a name of something else has other values.
        if has_known_values or 0 in ranks:
            candidates.append((not ranks, not has_known_values, min(ranks, default=9), len(name), name))
    return min(candidates)[-1] if candidates else None


def get_event_type(value: str, *, has_product: bool = False) -> str | None:
    """Return the event type that a shop's name means, or None; a page that always has a product shows that product."""
    concepts = find_event_type_concepts(value)
    if has_product:
        concepts = frozenset("view" if concept == "page" else concept for concept in concepts)
    return EVENT_TYPES.get(concepts)


def guess_kind(sample: RecordSample, glob: str) -> FeedKind | None:
    """Guess the kind of the rows from their names and values, and from the words of the files' names.

    None means that nothing identifies a product or an order.
    """
    if _has_impressions(sample, glob):
        return "impressions"
    events, purchases = guess_columns(sample, "events"), guess_columns(sample, "purchases")
    products = guess_columns(sample, "products")
    path_concepts = get_path_concepts(f"{glob}/{sample.part}")
    is_order_file = "order" in path_concepts
    is_catalog_file = not path_concepts.isdisjoint({"product", "item", "catalog"})
    has_user, has_time = "user_id" in purchases or "session_id" in events, "purchased_at" in purchases
    has_product = "product_id" in purchases
    has_amount = any(column in purchases for column in ("quantity", "price", "line_total"))
    # Products have an id too, and variants.
    is_named_id = find_concepts(str(purchases.get("transaction_id"))) == ("id",)
    is_item_of_order = sample.item_list is not None and ("user_id" in purchases or "quantity" in purchases)
    has_order = "transaction_id" in purchases and (not is_named_id or is_order_file or is_item_of_order)
    has_named_type = has_user and "event_type" in events
    types = {get_event_type(str(value)) for value in sample.get_values(events.get("event_type"))}

    # Orders without a product are joined with their lines.
    is_event = (
        ("product_id" in events or not has_order)
        and "event_at" in events
        and (
            (not (has_product and has_order and has_amount) and (find_event_type_in_path(glob) or has_named_type))
            or (has_user and "product_id" in events and not (has_order or has_amount or is_order_file))
            or not types <= {None, "purchase"}
        )
    )
    is_purchase = (
        (has_product and has_time and has_user)
        or (has_order and has_product and (has_time or has_amount or len(products) == 1))
        or (has_time and (has_order or is_order_file))
    )
    min_columns = 3 if find_concepts(str(products.get("product_id"))) == ("id",) else 2
    is_product = "product_id" in products and (is_catalog_file or len(products) >= min_columns)
    return "events" if is_event else "purchases" if is_purchase else "products" if is_product else None


def _has_impressions(sample: RecordSample, glob: str) -> bool:
    """Return whether the names of the files or of a value say that the rows are impressions."""
    words = [glob, *sample.names]
    if find_event_type_name(sample) or not any("impression" in word.lower() for word in words):
        return False
    columns = guess_columns(sample, "impressions")
    return {"product_id", "seen_at"} <= columns.keys() and not columns.keys().isdisjoint(VISITOR_COLUMNS)


def get_path_concepts(glob: str) -> set[str]:
    """Return the concepts of the names of files and folders; a sale is an order."""
    concepts = {concept for part in glob.split("/") for concept in find_concepts(part.replace("$", ""))}
    is_order = "sale" in concepts or "purchase" in _list_event_type_concepts(glob)
    return concepts | ({"order"} if is_order else set())


def _list_event_type_concepts(glob: str) -> set[str]:
    return {concept for part in glob.split("/") for concept in find_event_type_concepts(part)}


def find_event_type_in_path(glob: str) -> str | None:
    """Return the event type that the words of a file's name mean, such as clicks."""
    concepts = _list_event_type_concepts(glob)
    return next((PATH_EVENT_TYPES[concept] for concept in PATH_EVENT_TYPES if concept in concepts), None)
