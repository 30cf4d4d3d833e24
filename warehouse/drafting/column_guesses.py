"""Guesses about the columns of a sample: which column a name fills, and how its values are written."""

import re
from collections.abc import Sequence
from typing import Any

import duckdb

from warehouse.drafting.file_samples import FileSample
from warehouse.sources.columns import RAW_COLUMNS, FeedKind

NAMES_BY_COLUMN = {
    "event_id": "eventid messageid hitid insertid",
    "user_id": (
        "userid user customerid customer visitorid visitor clientid client memberid personid userpseudoid buyerid "
        "fullvisitorid anonymousid householdkey email who uid cid u c kunde kundennr kundennummer cliente acheteur"
    ),
    "product_id": (
        "productid product itemid item sku articleid article stockcode asin ean gtin upc variantsku lineitemsku "
        "productsku lineitemid productcode itemsku id handle pid p artikel artikelnr artikelnummer produkt referencia "
        "producto produit"
    ),
    "event_type": "eventtype event eventname action type behavior behaviour aktion accion",
    "event_at": (
        "eventat eventtime eventtimestamp timestamp time at ts createdat datetime date receivedat senttime zeitpunkt "
        "zeit fecha when"
    ),
    "device": "device devicetype devicecategory platform gerat gerät",
    "session_id": "sessionid session usersession gasessionid visitid sitzung",
    "transaction_id": (
        "transactionid transaction orderid order ordernumber orderno invoiceno invoice basketid receiptid incrementid "
        "purchaseid oid o bestellnr bestellnummer auftrag pedido name"
    ),
    "quantity": "quantity qty qtyordered itemqty lineitemquantity units count menge cantidad",
    "price": (
        "price unitprice itemprice lineitemprice variantprice saleprice regularprice listprice baseprice einzelpreis "
        "preis precio prix"
    ),
    "line_total": "linetotal salesvalue rowtotal amount total subtotal itemtotal umsatz",
    "currency": "currency currencycode ordercurrency wahrung währung moneda",
    "purchased_at": (
        "purchasedat purchasedate orderdate createdat invoicedate transactiondate orderedat paidat "
        "orderpurchasetimestamp datecreated at tdat bestelldatum timestamp date time day"
    ),
    "product_name": (
        "productname title itemname lineitemname description name prodname bezeichnung titel nombre libelle"
    ),
    "category": (
        "category cat productcategory productcategoryname categoryname categorycode producttype producttypename type "
        "googleproductcategory itemcategory department kategorie categoria categories tags"
    ),
    "brand": "brand itembrand vendor manufacturer brandname hersteller marke marca",
    "popularity_score": "popularityscore popularity score ratingcount reviewcount",
    "is_available": (
        "isavailable available availability instock stockstatus stock status lieferbar inventoryquantity "
        "variantinventoryqty stockquantity published"
    ),
    "updated_at": "updatedat lastmodified modifiedat dateupdated stand validfrom",
}
"""Names that files use for each column, without anything but letters and digits, the most specific first."""

EVENT_TYPE_NAMES = {
    "view": "view viewitem productviewed productview detail pv impression ansicht",
    "click": "click selectitem productclicked klick",
    "add_to_cart": "addtocart cart basket productadded atc addtobasket addcart warenkorb",
    "remove_from_cart": "removefromcart productremoved removefrombasket removecart",
    "purchase": "purchase transaction buy order ordercompleted productpurchased sale kauf",
}
"""Names that shops use for each event type, without anything but letters and digits."""

TIME_FORMATS = (
    *("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"),
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y"),
    *("%m/%d/%y %H:%M", "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y"),
    *("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%d %b %Y %H:%M:%S", "%b %d, %Y %H:%M", "%b %d, %Y"),
    *("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%a, %d %b %Y %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %Z"),
)
"""Formats besides ISO 8601 that are tried, as strptime has them."""

ISO_PATTERN = re.compile(
    r"(\d{4}-\d{2}-\d{2}|\d{8})([T ]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)? ?(Z|[-+]\d{2}(:?\d{2})?|[A-Z]{3,4})?)?", re.I
)
EPOCH_RANGE = (631_152_000, 4_102_444_800)
EPOCH_UNITS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}

NUMBER_PATTERN = re.compile(r"[-+(]?[^0-9]{0,4}[0-9][0-9.,'  ]*[^0-9]{0,4}")


def normalize_name(name: str) -> str:
    """Return the letters and digits of a name, or of the last key of a path, in lower case."""
    return re.sub(r"[\W_]+", "", name.rpartition(".")[2].lower())


def _get_spellings(name: str) -> tuple[str, ...]:
    """Return the spellings by which a name is known: `$.product.id` is `productid` and `id`."""
    keys = name.split(".")
    return (normalize_name("".join(keys[-2:])), normalize_name(name)) if len(keys) > 2 else (normalize_name(name),)


def guess_columns(sample: FileSample, kind: FeedKind) -> dict[str, str]:
    """Guess which name of the sample fills each column of a feed of this kind; columns without a guess are left out."""
    columns: dict[str, str] = {}
    if kind == "events" and (event_type_name := _find_event_type_name(sample)):
        columns["event_type"] = event_type_name
    spellings = {name: _get_spellings(name) for name in sample.names}
    for column in [column for column in RAW_COLUMNS[kind] if column not in columns]:
        for synonym in NAMES_BY_COLUMN[column].split():
            fitting = [
                name
                for name in sample.names
                if synonym in spellings[name]
                and name not in columns.values()
                and _fits(column, sample.get_values(name), name)
            ]
            if fitting:
                columns[column] = min(fitting, key=len)
                break
    time_column = {"events": "event_at", "purchases": "purchased_at", "products": ""}[kind]
    if time_column and time_column not in columns:
        free_names = [name for name in sample.names if name not in columns.values()]
        fitting = [name for name in free_names if _fits(time_column, sample.get_values(name))]
        columns |= {time_column: fitting[0]} if fitting else {}
    return columns


def _find_event_type_name(sample: FileSample) -> str | None:
    """Find the name whose values include those of event types, such as view; prefer a known name."""
    fitting = []
    for name in sample.names:
        values = sample.get_values(name)
        if values and _fits("event_type", values):
            texts = {str(value).strip() for value in values}
            _, unknown = guess_event_types(values)
            fitting += [name] if len(unknown) < len(texts) else []
    return min(fitting, key=lambda name: not is_known_name("event_type", name), default=None)


def is_known_name(column: str, name: str) -> bool:
    """Return whether a name is one of those that files use for the column."""
    return any(spelling in NAMES_BY_COLUMN[column].split() for spelling in _get_spellings(name))


def _fits(column: str, values: Sequence[Any], name: str = "") -> bool:
    """Return whether values can be those of a column."""
    if not values or any(isinstance(value, list | dict) for value in values):
        return False
    if column == "transaction_id" and normalize_name(name) == "name":
        # Shopify writes the number of an order, such as #1001, as its name.
        return _share(values, lambda text: text.startswith("#")) > 0.9
    if column in ("event_at", "purchased_at", "updated_at"):
        return guess_time_format(values) is not None
    if column in ("quantity", "price", "line_total", "popularity_score"):
        return _share(values, lambda text: NUMBER_PATTERN.fullmatch(text) is not None) > 0.8
    if column == "event_type":
        return len(set(map(str, values))) <= 60
    return True


def _share(values: Sequence[Any], is_true: Any) -> float:
    return sum(bool(is_true(str(value).strip())) for value in values) / len(values)


def guess_kind(sample: FileSample) -> FeedKind | None:
    """Guess the kind of the rows; None when nothing identifies a product or an order."""
    events, purchases = guess_columns(sample, "events"), guess_columns(sample, "purchases")
    products = guess_columns(sample, "products")
    if "event_type" in events and "event_at" in events:
        return "events"
    if "purchased_at" in purchases and ("transaction_id" in purchases or "user_id" in purchases):
        return "purchases"
    if "product_id" in purchases and "transaction_id" in purchases and "quantity" in purchases:
        return "purchases"
    return "products" if "product_id" in products else None


def guess_time_format(values: Sequence[Any]) -> tuple[str, str | None] | None:
    """Guess the format of times; return it with a doubt or None, or return None if the values are no times."""
    texts = [str(value).strip() for value in values]
    for unit, factor in EPOCH_UNITS.items():
        if _share(texts, lambda text, factor=factor: _is_epoch(text, factor)) > 0.9:
            return unit, None
    if _share(texts, ISO_PATTERN.fullmatch) > 0.9:
        return "iso", None
    fitting = [time_format for time_format in TIME_FORMATS if _count_parsed(texts, time_format) > 0.9 * len(texts)]
    if not fitting:
        return None
    others = [other for other in fitting[1:] if other.replace("%m", "%d") == fitting[0].replace("%m", "%d")]
    is_ambiguous = any(sorted(other) == sorted(fitting[0]) for other in others)
    doubt = f"Every day is at most 12, so {others[0]} fits as well. Ask the shop." if is_ambiguous else None
    return fitting[0], doubt


def _is_epoch(text: str, factor: int) -> bool:
    return bool(re.fullmatch(r"\d{9,19}([.]\d+)?", text)) and EPOCH_RANGE[0] <= float(text) / factor <= EPOCH_RANGE[1]


def _count_parsed(texts: Sequence[str], time_format: str) -> int:
    query = "select count(try_strptime(value, ?)) from (select unnest(?::varchar[]) as value)"
    rows = duckdb.cursor().execute(query, [time_format, list(texts)]).fetchall()
    return int(rows[0][0])


def guess_number_settings(values: Sequence[Any]) -> tuple[dict[str, str], str | None]:
    """Guess the settings `decimal` and `thousands` of numbers, with a doubt or None."""
    texts = [re.sub(r"[^0-9.,]", "", str(value)) for value in values if isinstance(value, str)]
    comma_decimals = [text for text in texts if re.fullmatch(r"[0-9.]*,([0-9]{1,2}|[0-9]{4,})", text)]
    point_decimals = [text for text in texts if re.fullmatch(r"[0-9,]*[.]([0-9]{1,2}|[0-9]{4,})", text)]
    comma_thousands = [text for text in texts if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+([.][0-9]*)?", text)]
    if len(comma_decimals) > len(point_decimals):
        return {"decimal": ","}, None
    if comma_thousands:
        doubt = None if point_decimals else "Numbers such as 1,500 have either thousands or decimals. Ask the shop."
        return {"thousands": ","}, doubt
    return {}, None


def guess_event_types(values: Sequence[Any]) -> tuple[dict[str, list[str]], list[str]]:
    """Guess the event type of each value; return the values that need a declaration by type, and the unknown values."""
    declared: dict[str, list[str]] = {}
    unknown: list[str] = []
    for value in dict.fromkeys(str(value).strip() for value in values):
        normalized = normalize_name(value)
        event_type = next((name for name, names in EVENT_TYPE_NAMES.items() if normalized in names.split()), None)
        if event_type is None:
            unknown.append(value)
        elif value.lower() != event_type:
            declared.setdefault(event_type, []).append(value)
    return declared, unknown
