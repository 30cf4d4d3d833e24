"""Sources files: defaults, fingerprints and error messages."""

import json
from pathlib import Path

import duckdb
import pytest

from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT
from warehouse.sources.yaml_file import read_sources

VALID_SOURCES = """
feeds:
  events:
    files: "*.csv"
    format: csv
    columns: {user_id: u, product_id: p, event_type: t, event_at: at}
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
        ("format: csv", "format: csv\n    timestamp_formats: ISO8601", "not iso, epoch_s, epoch_ms or a strptime"),
        ('"*.csv"', "/etc/*.csv", "'/etc/*.csv' is not a glob inside the landing folder"),
        ('"*.csv"', "''", "'' is not a glob inside the landing folder"),
        ("format: csv", "format: csv\n    format: json", "the key 'format' occurs twice"),
        ("format: csv", "format: csv\n    time_zone: Mars", "time_zone: 'Mars' is not an IANA time zone"),
        (
            "format: csv",
            "format: csv\n    colour: red",
            "feeds.events.colour: unknown setting. Known: kind, files, ",
        ),
        ("add_to_cart: [Cart", "view: [cart], add_to_cart: [Cart", "'cart' is a name of both view and add_to_cart"),
        ("{add_to_cart", "{add_to_basket", "event_types.add_to_basket"),
        ("feeds:", "other: []\nfeeds:", ": other: unknown setting. Known: feeds"),
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
        ("user_id: u", "user_id: [u]", "feeds.events.columns.user_id: it must be a text"),
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
        ("{user_id: u", "{user_id: [u", "line 6, column 70: the sources file is not valid YAML"),
    ],
)
def test_invalid_settings_error_messages(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_sources_file(tmp_path, VALID_SOURCES.replace(old, new, 1))
    with pytest.raises(RecomartError) as error:
        read_sources(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


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
    (feed,) = sources.feeds.values()
    return sources.compute_typing_fingerprint(feed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"*.csv"', '["*.csv", "new/*.csv"]'),
        ("format: csv", "format: csv\n    delimiter: ';'"),
        ("{user_id: u, product_id: p", "{product_id: p, user_id: u"),
        ("[Cart, ' basket ']", "[basket, cart]"),
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
    ],
)
def test_typing_fingerprint_changes(tmp_path: Path, old: str, new: str) -> None:
    assert compute_typing_fingerprint(tmp_path, VALID_SOURCES.replace(old, new)) != compute_typing_fingerprint(
        tmp_path, VALID_SOURCES
    )


def test_missing_sources_file_fails(tmp_path: Path) -> None:
    with pytest.raises(RecomartError, match=r"nowhere\.yml: no such sources file"):
        read_sources(tmp_path / "nowhere.yml")


def test_project_sources_are_valid() -> None:
    assert set(read_sources(PROJECT_ROOT / "warehouse" / "sources.yml").feeds) == {"events", "purchases", "products"}


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
