"""Sources files: defaults, fingerprints and error messages."""

import json
from pathlib import Path

import duckdb
import pytest

from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT
from warehouse.sources.columns import LOG_KINDS
from warehouse.sources.null_words import get_default_null_words
from warehouse.sources.typing_settings import build_feed_row
from warehouse.sources.typing_settings import compute_typing_fingerprint as compute_fingerprint
from warehouse.sources.yaml_file import read_sources

VALID_SOURCES = """
feeds:
  events:
    files: "*.csv"
    format: csv
    columns: {user_id: u, product_id: p, event_type: t, event_at: at, transaction_id: o}
    event_types: {add_to_cart: [Cart, ' basket ']}
"""


def write_sources_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sources.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_feed_kind_defaults_to_name(tmp_path: Path) -> None:
    app_events = VALID_SOURCES.replace("  events:", "  app:").replace("format: csv", "format: csv\n    kind: events")
    assert read_sources(write_sources_file(tmp_path, VALID_SOURCES)).feeds["events"].kind == "events"
    assert read_sources(write_sources_file(tmp_path, app_events)).feeds["app"].kind == "events"


def test_event_aliases_include_own_names(tmp_path: Path) -> None:
    aliases = dict(read_sources(write_sources_file(tmp_path, VALID_SOURCES)).feeds["events"].event_aliases)
    assert aliases["cart"] == aliases["basket"] == aliases["add_to_cart"] == "add_to_cart"
    assert aliases["purchase"] == "purchase"


@pytest.mark.parametrize(
    ("declared", "alias"),
    [("ΟΔΟΣ", "οδοσ"), ("ANSİCHT", "ansicht"), ("\t Straße\r\n", "straße"), ("\u00a0Klick", "\u00a0klick")],
)
def test_event_aliases_match_duckdb_lower_case(tmp_path: Path, declared: str, alias: str) -> None:
    path = write_sources_file(tmp_path, VALID_SOURCES.replace("' basket '", json.dumps(declared)))
    assert duckdb.execute("select lower(?)", [declared.strip(" \t\r\n")]).fetchall() == [(alias,)]
    assert dict(read_sources(path).feeds["events"].event_aliases)[alias] == "add_to_cart"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "user_id: u",
            "usr_id: u",
            "feeds.events.columns.usr_id: unknown column. The columns of a feed of events are event_id",
        ),
        ("user_id: u, ", "", "feeds.events.columns.user_id: it is not mapped. A feed of events needs it"),
        (
            "  events:",
            "  clicks:",
            "feeds.clicks.kind: it must be given, because the feed's name is not one of events, ",
        ),
        ("format: csv", "format: csv\n    kind: x", "kind: 'x' is unknown. Known: 'events', 'purchases', 'products'"),
        ("format: csv", "format: xml", "feeds.events.format: 'xml' is unknown. Known: 'csv', 'jsonl', 'json'"),
        ("format: csv", "format: csv\n    encoding: utf-9", "encoding: Python has no text encoding 'utf-9'"),
        ("format: csv", "format: csv\n    encoding: rot13", "Python has no text encoding 'rot13'"),
        ("format: csv", "format: csv\n    timestamp_formats: '%Q'", "timestamp_formats: '%Q': "),
        (
            "format: csv",
            "format: csv\n    timestamp_formats: ISO8601",
            "not iso, epoch_s, epoch_ms, epoch_us, epoch_ns or a",
        ),
        ('"*.csv"', "/etc/*.csv", "'/etc/*.csv' is not a glob inside the landing folder"),
        ('"*.csv"', "''", "'' is not a glob inside the landing folder"),
        ("format: csv", "format: csv\n    format: json", "the key 'format' occurs twice"),
        ("format: csv", "format: csv\n    time_zone: Mars", "time_zone: 'Mars' is not an IANA time zone"),
        *(
            ("format: csv", f"format: csv\n    expected_every: {interval}", "Write it like 6h or 1d")
            for interval in ("daily", "0d", "1w", "d", "1.5h")
        ),
        (
            "format: csv",
            "format: csv\n    colour: red",
            "feeds.events.colour: unknown setting. Known: kind, files, ",
        ),
        ("add_to_cart: [Cart", "view: [cart], add_to_cart: [Cart", "'cart' is a name of both view and add_to_cart"),
        ("{add_to_cart", "{add_to_basket", "event_types.add_to_basket"),
        ("feeds:", "other: []\nfeeds:", ": other: unknown setting. Known: currency, exchange_rates, log_keep_"),
        (VALID_SOURCES, "", "the sources file is empty"),
        (VALID_SOURCES, "feeds: []", "feeds: it must be a mapping of names to values"),
        (VALID_SOURCES, "feeds: {}", "feeds: it is empty"),
        (
            "user_id: u",
            "user_id: 5",
            "feeds.events.columns.user_id: YAML reads this as 5, which is not a text. Put it in",
        ),
        ("user_id: u", "user_id: on", "feeds.events.columns.user_id: YAML reads this as true, which is not a text"),
        ("user_id: u", "user_id:", "feeds.events.columns.user_id: it has no value"),
        ("user_id: u", "user_id: [5]", "line 6: feeds.events.columns.user_id.0: YAML reads this as 5"),
        ("[Cart, ' basket ']", "1", "feeds.events.event_types.add_to_cart.0: YAML reads this as 1"),
        ("  events:", "  2024:", "feeds.2024: YAML reads this as 2024"),
        ("    format: csv\n", "", "feeds.events.format: it must be given"),
        (
            "format: csv",
            "format: csv\n    ? [a, b]\n    : c",
            "line 6, column 7: the sources file is not valid YAML: a name is expected",
        ),
        ('"*.csv"', "clicks/**.csv", "files: 'clicks/**.csv': ** matches folders and must be a whole path part"),
        ('"*.csv"', "./", "files: './' is not a glob inside the landing folder"),
        ("format: csv", "format: json\n    records: $.a[0]", "records: '$.a[0]' is not a path of keys"),
        ("format: csv", "format: csv\n    encoding: idna", "encoding: Python has no text encoding 'idna'"),
        ("format: csv", "format: csv\n    time_zone: localtime", "time_zone: 'localtime' is not an IANA time zone"),
        *(
            ("format: csv", f"format: csv\n    delimiter: {delimiter}", 'Write a tab as "\\t", in double quotes')
            for delimiter in ("tab", r"\t", r'"\n"', "'\"'", "''")
        ),
        ("{user_id: u", "{user_id: [u", "line 6, column 89: the sources file is not valid YAML"),
    ],
)
def test_invalid_settings_error_messages(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_sources_file(tmp_path, VALID_SOURCES.replace(old, new, 1))
    with pytest.raises(RecomartError) as error:
        read_sources(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(("interval", "hours"), [("6h", 6), ("1d", 24), ("14d", 336)])
def test_expected_every_is_hours_or_days(tmp_path: Path, interval: str, hours: int) -> None:
    text = VALID_SOURCES.replace("format: csv", f"format: csv\n    expected_every: {interval}")
    assert read_sources(write_sources_file(tmp_path, text)).feeds["events"].expected_hours == hours
    assert read_sources(write_sources_file(tmp_path, VALID_SOURCES)).feeds["events"].expected_hours is None


def test_carries_accepts_single_value(tmp_path: Path) -> None:
    path = write_sources_file(tmp_path, VALID_SOURCES.replace("format: csv", "format: csv\n    carries: products"))
    assert read_sources(path).feeds["events"].carries == ("products",)


def test_carries_purchases_by_default(tmp_path: Path) -> None:
    events_only = read_sources(write_sources_file(tmp_path, VALID_SOURCES))
    assert events_only.carries_purchases(events_only.feeds["events"])
    purchases = "  purchases: {files: p, format: csv, columns: {product_id: p, purchased_at: t}}\n"
    with_purchases = read_sources(write_sources_file(tmp_path, VALID_SOURCES + purchases))
    assert not with_purchases.carries_purchases(with_purchases.feeds["events"])


def compute_typing_fingerprint(tmp_path: Path, text: str) -> int:
    sources = read_sources(write_sources_file(tmp_path, text))
    (feed,) = sources.shop_feeds.values()
    return compute_fingerprint(build_feed_row(sources, feed), feed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"*.csv"', '["*.csv", "new/*.csv"]'),
        ("format: csv", "format: csv\n    delimiter: ';'"),
        ("{user_id: u, product_id: p", "{product_id: p, user_id: u"),
        ("[Cart, ' basket ']", "[basket, cart]"),
        ("format: csv", "format: csv\n    expected_every: 1d"),
    ],
)
def test_typing_fingerprint_ignores_order(tmp_path: Path, old: str, new: str) -> None:
    assert compute_typing_fingerprint(tmp_path, VALID_SOURCES.replace(old, new)) == compute_typing_fingerprint(
        tmp_path, VALID_SOURCES
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("add_to_cart: [", "view: ["),
        ("format: csv", "format: csv\n    time_zone: Asia/Tokyo"),
        ("format: csv", "format: csv\n    timestamp_formats: [iso, epoch_s]"),
        ("format: csv", "format: csv\n    decimal: ','"),
        ("format: csv", "format: csv\n    carries: [products]"),
        ("format: csv", "format: csv\n    cancelled_transaction_prefix: C"),
        ("format: csv", "format: csv\n    null_values: [default, x]"),
        ("format: csv", "format: csv\n    where: {status: paid}"),
        ("format: csv", "format: csv\n    key: [id]"),
        ("format: csv", "format: csv\n    duplicates: keep"),
    ],
)
def test_typing_fingerprint_changes(tmp_path: Path, old: str, new: str) -> None:
    assert compute_typing_fingerprint(tmp_path, VALID_SOURCES.replace(old, new)) != compute_typing_fingerprint(
        tmp_path, VALID_SOURCES
    )


VALID_FEEDS = """
feeds:
  purchases:
    files: "*.csv"
    format: csv
    columns: {user_id: u, product_id: p, purchased_at: [date, time], transaction_id: order}
    join: {files: orders.csv, columns: {transaction_id: id, price: total}}
  products:
    files: "*.json"
    format: json
    columns: {product_id: sku, product_name: name, is_available: stock}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "format: csv",
            "format: csv\n    thousands: ','\n    decimal: ','",
            "line 6: feeds.purchases.thousands: ',' is",
        ),
        (
            "format: csv",
            "format: csv\n    key: order\n    duplicates: keep",
            "line 7: feeds.purchases.duplicates",
        ),
        ("format: csv", "format: csv\n    where: {status: yes}", "purchases.where.status.0: YAML reads this as true"),
        ("format: csv", "format: csv\n    leave_out: {u: Guest}", "purchases.leave_out.u: 'guest' is a missing value"),
        ("format: csv", "format: csv\n    null_values: [NULL]", "purchases.null_values.0: it has no value"),
        ("format: csv", "format: csv\n    null_values: {user_id: [0]}", "null_values.user_id.0: YAML reads this as 0"),
        ("format: csv", "format: csv\n    joined_to: x", "line 6: feeds.purchases.joined_to: unknown setting"),
        ("  products:", "  purchases.join:", "feeds.purchases.join: the ending .join is that of joined files"),
        ("format: json", "format: json\n    record_key: $.a", "line 11: feeds.products.record_key: it is the name"),
        ("format: csv", "format: csv\n    key: date", "line 6: feeds.purchases.key: columns.purchased_at joins it"),
        (
            "format: csv",
            "format: csv\n    where: {status: []}",
            "line 6: feeds.purchases.where.status: it has",
        ),
        (
            "format: csv",
            "format: csv\n    unnest: items",
            "purchases.unnest: only a feed of format jsonl or",
        ),
        ("format: csv", "format: csv\n    names: [a, a]", "feeds.purchases.names: a name occurs twice"),
        ("format: csv", "format: csv\n    escape: '\\'\n    quote: none", "feeds.purchases.escape: quote: none means"),
        ("format: csv", "format: csv\n    whole: true", "feeds.purchases.whole: only a feed of products can have it"),
        (
            "format: csv",
            "format: csv\n    null_values: {brand: x}",
            "purchases.null_values.brand: columns do not",
        ),
        (
            "format: csv",
            "format: csv\n    event_types: {ignored: x}",
            "purchases.event_types: only a feed of events can",
        ),
        ("format: csv", "format: csv\n    sheet: A", "feeds.purchases.sheet: only a feed of format excel can have it"),
        (
            "files: orders.csv",
            "files: orders.csv, key: id",
            "line 7: feeds.purchases.join.key: unknown setting",
        ),
        ("{transaction_id: id, price", "{price", "feeds.purchases.join.columns: no column is in both mappings"),
        ("price: total}}", "price: total}, by: price}", "feeds.purchases.join.by: price must be in columns and in"),
        ("format: json", "format: json\n    skip_lines: 2", "products.skip_lines: only a feed of format csv or excel"),
        ("format: json", "format: json\n    keep_days: 9", "products.keep_days: only a feed of events or purchases"),
        ("format: csv", "format: csv\n    keep_days: 9", "purchases.keep_days: the rows of joined files have no time"),
        ("format: json", "format: json\n    is_return: {a: b}", "products.is_return: only a feed of events or"),
        (
            "format: json",
            "format: json\n    fill_down: '$.a['",
            "line 11: feeds.products.fill_down: '$.a[' is",
        ),
        (
            "format: json",
            "format: json\n    availability: {available: [Ja], unavailable: [ja ]}",
            "line 11: feeds.products.availability: 'ja' is a value of both",
        ),
        (
            "format: json",
            "format: json\n    unnest: a\n    key_values: a",
            "products.key_values: 'a' has the list that",
        ),
        (
            "format: json",
            "format: json\n    unnest: $.a.0.b",
            "products.unnest: '$.a.0.b' leads into an item of a list",
        ),
        (
            "format: json",
            "format: json\n    price_divisor: 100",
            "line 11: feeds.products.price_divisor: columns do not",
        ),
        ("format: csv", "format: csv\n    price_divisor: 1", "line 6: feeds.purchases.price_divisor: it must be"),
        ("format: json", "format: json\n    key: sku", "feeds.products.key: only a feed of events or"),
        ("feeds:", "log_keep_days: 0\nfeeds:", "line 2: log_keep_days: it must be at least 1"),
        ("feeds:", "exchange_rates: {USD: 2}\nfeeds:", "line 2: exchange_rates: without currency"),
        (
            "feeds:",
            "currency: USD\nexchange_rates: {USD: 2}\nfeeds:",
            "line 3: exchange_rates.USD: it is",
        ),
    ],
)
def test_contradictory_settings_fail(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_sources_file(tmp_path, VALID_FEEDS)
    read_sources(path)
    write_sources_file(tmp_path, VALID_FEEDS.replace(old, new, 1))
    with pytest.raises(RecomartError) as error:
        read_sources(path)
    assert message in str(error.value)


def test_joined_files_are_a_feed(tmp_path: Path) -> None:
    """The joined files have the feed's kind and format, and the columns of both mappings are the key."""
    sources = read_sources(write_sources_file(tmp_path, VALID_FEEDS))
    joined_feed = sources.feeds["purchases.join"]
    assert (joined_feed.kind, joined_feed.format, joined_feed.joined_to) == ("purchases", "csv", "purchases")
    assert sources.get_join_names(sources.feeds["purchases"]) == ("transaction_id",)


def test_decimal_comma_decides_how_numbers_are_read(tmp_path: Path) -> None:
    """Files of JSON are loaded again when it changes, and the joined files of a feed have its mark."""

    def read_fingerprints(decimal: str) -> list[str]:
        formats = VALID_FEEDS.replace("format:", f"decimal: '{decimal}'\n    format:")
        sources = read_sources(
            write_sources_file(tmp_path, formats.replace("orders.csv,", "orders.jsonl, format: jsonl,"))
        )
        return [feed.parse_fingerprint for feed in sources.shop_feeds.values()]

    is_equal = [point == comma for point, comma in zip(read_fingerprints("."), read_fingerprints(","), strict=True)]
    assert is_equal == [True, False, False]


def test_null_words_of_column(tmp_path: Path) -> None:
    """A declared list replaces the default, which the word `default` includes."""
    lists = "format: csv\n    null_values: {user_id: [], product_id: [default, X]}"
    feed = read_sources(write_sources_file(tmp_path, VALID_SOURCES.replace("format: csv", lists))).feeds["events"]
    assert feed.get_null_words("user_id") == ()
    assert {"na", "x"} <= set(feed.get_null_words("product_id"))
    assert "guest" not in feed.get_null_words("product_id")
    assert feed.get_null_words("event_at") == get_default_null_words("event_at")


def test_missing_sources_file_fails(tmp_path: Path) -> None:
    with pytest.raises(RecomartError, match=r"nowhere\.yml: no such sources file"):
        read_sources(tmp_path / "nowhere.yml")


def test_project_sources_are_valid() -> None:
    sources = read_sources(PROJECT_ROOT / "warehouse" / "sources.yml")
    assert set(sources.shop_feeds) == {"events", "purchases", "products", "impressions"}


API_SOURCES = """
feeds:
  products:
    files: "catalog/*.jsonl"
    format: jsonl
    columns: {product_id: sku}
    api:
      base_url: https://shop.example/api
      paging: {style: page}
      auth: {type: bearer, token_env: TOKEN}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: jsonl", "format: json", "format: records from an api are written as jsonl in utf-8"),
        ("format: jsonl", "format: jsonl\n    encoding: latin-1", "are written as jsonl in utf-8"),
        ("catalog/*.jsonl", "catalog.jsonl", "'catalog.jsonl' does not name the file to write the api's records to"),
        ("catalog/*.jsonl", "*/a.jsonl", "needs one * in the file's name"),
        ("catalog/*.jsonl", "c/*-*.jsonl", "needs one * in the file's name"),
        (
            "{product_id: sku}",
            "{product_id: sku, purchased_at: t}\n    kind: purchases",
            "api.id_column: it must be given for a feed of purchases",
        ),
        ("https://shop.example/api", "shop.example/api", "base_url: it is not a URL such as https://"),
        ("https://shop.example/api", "ftp://shop.example/api", "base_url: it is not a URL such as https://"),
        ("https://shop.example/api", "https://shop.example/api?key=1", "parameters belong to `params`"),
        ("https://shop.example/api", "https://shop.example:x/api", "base_url: it is not a URL such as https://"),
        ("https://shop.example/api", "https://me:s3cr3t@shop.example", "base_url: the URL has a secret"),
        ("paging:", "path: https://other.example/\n      paging:", "is not a path below base_url"),
        ("style: page", "style: pages", "api.paging: the setting 'style' is 'pages'. Known: 'page', 'offset'"),
        ("style: page", "style: cursor", "api.paging.cursor.path: it must be given"),
        ("{style: page}", "{}", "api.paging: it must have the setting 'style'"),
        (
            "{style: page}",
            "{style: page, total: t}",
            "api.paging.page.total: unknown setting. Known: size",
        ),
        ("style: page", "style: page, size: 0", "api.paging.page.size: it must be at least 1"),
        (
            "token_env: TOKEN",
            "token: abc",
            "api.auth.bearer.token: unknown setting. Known: type, token_env",
        ),
        ("token_env: TOKEN", "token_env: 'abc def'", "api.auth.bearer.token_env: String should match pattern"),
    ],
)
def test_invalid_api_error_messages(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert read_sources(write_sources_file(tmp_path, API_SOURCES)).feeds["products"].api is not None
    path = write_sources_file(tmp_path, API_SOURCES.replace(old, new, 1))
    with pytest.raises(RecomartError) as error:
        read_sources(path)
    assert message in str(error.value)
    assert "s3cr3t" not in str(error.value)


IMPRESSIONS = """
feeds:
  impressions:
    files: "*.csv"
    format: csv
    columns: {session_id: s, product_id: p, seen_at: t, position: place, impression_id: id}
    key: [id, p]
    keep_days: 90
    leave_out: {bot: "1"}
"""


def test_impressions_are_a_kind(tmp_path: Path) -> None:
    feed = read_sources(write_sources_file(tmp_path, IMPRESSIONS)).feeds["impressions"]
    assert (feed.kind, feed.key, feed.keep_days, feed.is_log) == ("impressions", ("id", "p"), 90, False)
    feed = read_sources(write_sources_file(tmp_path, IMPRESSIONS.replace("    key: [id, p]\n", ""))).feeds[
        "impressions"
    ]
    assert feed.has_default_key


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("session_id: s, ", "", "impressions.columns.user_id: neither user_id nor session_id is mapped. A feed of"),
        (
            "session_id: s",
            "session_id: s, price: x",
            "impressions.columns.price: unknown column. The columns of a feed",
        ),
        ("seen_at: t, ", "", "impressions.columns.seen_at: it is not mapped. A feed of impressions needs it"),
        *(
            ("format: csv", f"format: csv\n    {setting}: {value}", f"impressions.{setting}: only a feed of ")
            for setting, value in {
                "is_return": "{a: b}",
                "carries": "products",
                "cancelled_transaction_prefix": "C",
                "event_types": "{view: x}",
                "fill_down": "id",
                "join": "{files: x.csv, columns: {session_id: id}}",
                "price_divisor": "100",
                "whole": "true",
            }.items()
        ),
        (
            "  impressions:",
            "  seen:",
            "feeds.seen.kind: it must be given, because the feed's name is not one of events, ",
        ),
        ("  impressions:", "  served_lists:", "feeds.served_lists: the name is that of a log that RecoMart writes"),
        (
            "format: csv",
            "format: csv\n    kind: served_lists",
            "feeds.impressions.kind: RecoMart writes the served_lists",
        ),
        ("format: csv", "format: csv\n    joined_columns: [x]", "feeds.impressions.joined_columns: unknown setting"),
    ],
)
def test_invalid_impressions_error_messages(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_sources_file(tmp_path, IMPRESSIONS.replace(old, new, 1))
    with pytest.raises(RecomartError) as error:
        read_sources(path)
    assert message in str(error.value)


def test_logs_are_built_in(tmp_path: Path) -> None:
    """They are feeds of every shop, whose declarations do not depend on the shop's."""
    sources = read_sources(write_sources_file(tmp_path, VALID_SOURCES))
    assert list(sources.feeds) == ["events", *LOG_KINDS]
    assert list(sources.shop_feeds) == ["events"]
    assert all(
        feed.is_log and feed.get_null_words("user_id") == () for feed in map(sources.feeds.get, LOG_KINDS) if feed
    )
