"""Loads reject the rows of forgotten customers, in any spelling of the id."""

import csv
import io
import json
import unicodedata
from functools import cache
from typing import Any

import pytest
from jinja2 import Environment

from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.errors import RecomartError
from warehouse.loading.cleaned_ids import build_cleaned_id
from warehouse.loading.forgotten_customers import add_forgotten_customer, read_forgotten_customers
from warehouse.loading.loader import load
from warehouse.settings import PROJECT_ROOT

SPELLINGS = ["12001", " 12001 ", '"12001"', '="12001"', "'12001", "12001.0", "\u200b12001\u00a0"]


class Adapter:
    """Dispatches dbt's macros to those for DuckDB."""

    def dispatch(self, name: str) -> Any:
        return lambda *arguments: getattr(load_macros(), f"duckdb__{name}")(*arguments)


@cache
def load_macros() -> Any:
    files = [PROJECT_ROOT / "dbt_project" / "macros" / name for name in ("cleaning.sql", "ids.sql", "text.sql")]
    environment = Environment(extensions=["jinja2.ext.do"])
    environment.globals.update({"return": lambda value: value, "adapter": Adapter()})
    return environment.from_string("".join(file.read_text(encoding="utf-8") for file in files)).module


def test_ids_are_cleaned_as_in_dbt() -> None:
    """A load that cleans ids in another way than the tables would bring a customer back."""
    assert load_macros().clean_id("user_id") == f"nullif({build_cleaned_id('user_id')}, '')"


def test_all_spellings_are_rejected(shop: Shop) -> None:
    shop.settings.warehouse.mkdir(exist_ok=True)
    assert add_forgotten_customer(shop.settings, "12001")
    assert not add_forgotten_customer(shop.settings, '="12001"')
    users = [*SPELLINGS, "112001", "120010", None]
    rows = [json.dumps({"user": user, "item": "p", "type": "view", "time": "2026-01-01"}) for user in users]
    shop.put("events/1.jsonl", "\n".join([*rows, '{"user": "12001", "item"', '{"user": "120012", "item"']))
    report = load(shop.settings)
    assert (report.feeds["events"].rows_loaded, report.feeds["events"].rows_rejected) == (3, 9)
    assert {user for (user,) in shop.query("select user_id from raw.events")} == {"112001", "120010", None}
    rejected = shop.query("select text, count(*) from raw.rejected_rows group by text order by text")
    assert rejected == [("", 8), ('{"user": "120012", "item"', 1)]
    assert shop.query("select lines, rows_loaded, rows_rejected from raw.loaded_files") == [(12, 3, 9)]


def test_file_has_no_id(shop: Shop) -> None:
    shop.settings.warehouse.mkdir(exist_ok=True)
    add_forgotten_customer(shop.settings, "anna@example.org")
    add_forgotten_customer(shop.settings, "bert")
    content = shop.settings.forgotten_customers_file.read_text(encoding="utf-8")
    assert "anna" not in content
    assert len(read_forgotten_customers(shop.settings).customers) == 2


def test_damaged_file_stops_the_load(shop: Shop) -> None:
    """Without the list, the load would bring forgotten customers back."""
    shop.put("events/1.jsonl", json.dumps({"user": "1", "item": "p", "type": "view", "time": "2026-01-01"}))
    shop.settings.warehouse.mkdir(exist_ok=True)
    shop.settings.forgotten_customers_file.write_text("{", encoding="utf-8")
    with pytest.raises(RecomartError, match=r"forgotten_customers\.json: the list .* cannot be read"):
        load(shop.settings)


def test_list_without_salt_is_damaged(shop: Shop) -> None:
    """A new salt would make the hashes of earlier customers useless."""
    shop.settings.warehouse.mkdir(exist_ok=True)
    add_forgotten_customer(shop.settings, "anna1")
    file = shop.settings.forgotten_customers_file
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "salt": ""}), encoding="utf-8")
    with pytest.raises(RecomartError, match=r"cannot be read: .*the salt of the hashes is missing"):
        add_forgotten_customer(shop.settings, "bert1")


def test_escaped_ids_of_broken_lines_are_rejected(shop: Shop) -> None:
    """Escapes of JSON and CSV, and delimiters of other files, are parts of ids too."""
    shop.settings.warehouse.mkdir(exist_ok=True)
    user_ids = ["jürgen/1", "o'neil\"1", "x;drop table--", "=cmd|x", "tab\tbed", "C:\\users", "max, mustermann"]
    for user_id in user_ids:
        add_forgotten_customer(shop.settings, user_id)
    others = [user_id[:-1] for user_id in user_ids]
    for name, users in (("forgotten", user_ids), ("others", others)):
        decomposed = [unicodedata.normalize("NFD", user) for user in users]
        texts = [json.dumps({"user": user, "item": "p"}) for user in (*users, *decomposed)]
        texts += [json.dumps({"item": "p", "user": user}, ensure_ascii=False)[:-2] + " " for user in users]
        shop.put(f"events/{name}.jsonl", "".join(f"{text[:-1]}\n" for text in texts))
        rows = io.StringIO()
        csv.writer(rows).writerows([["sku", "when", "who", "qty"], *(["p", user] for user in users)])
        shop.put(f"purchases/{name}.csv", rows.getvalue())
    load(shop.settings)
    counts = shop.query(
        "select path, count(*), count(*) filter (text = '') from raw.rejected_rows group by path order by path"
    )
    assert counts == [
        ("events/forgotten.jsonl", 21, 21),
        ("events/others.jsonl", 21, 0),
        ("purchases/forgotten.csv", 7, 7),
        ("purchases/others.csv", 7, 0),
    ]


def test_ids_between_declared_delimiters(shop: Shop) -> None:
    shop.settings.warehouse.mkdir(exist_ok=True)
    shop.declare(purchases={**PURCHASES_CSV, "delimiter": "~"})
    add_forgotten_customer(shop.settings, "anna 1")
    shop.put("purchases/1.csv", "sku~when~who~qty\np~2026-01-01~bert 1~1\np~anna 1\np~bert 1\n")
    load(shop.settings)
    assert shop.query("select text from raw.rejected_rows order by line") == [("",), ("p~bert 1",)]
