"""Whatever the files are, the loader accounts for every line of them and never harms the files beside them."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse.conftest import Shop
from tests.warehouse.damage import csv_file, damaged, document_file, json_lines_file
from warehouse.loading.loader import load

FILES_OF_EACH_KIND = 400

MAKERS: dict[str, Callable[[random.Random], bytes]] = {
    "events": json_lines_file,
    "purchases": csv_file,
    "catalog": document_file,
}

CLEAN = {
    "events/clean.jsonl": b'{"user":"u1","item":"p1","type":"view","time":"t"}\n' * 50,
    "purchases/clean.csv": b"sku,when,who,qty\n" + b"p1,2026-01-01,u1,1\n" * 50,
    "catalog/clean.json": b'{"data": {"items": [' + b",".join([b'{"id": "p1"}'] * 50) + b"]}}",
}

UNACCOUNTED = """
    with rows as (
        select _feed as feed, _file as path, _line as line from raw.events
        union all select _feed, _file, _line from raw.purchases
        union all select _feed, _file, _line from raw.products
    ),

    counted as (
        select
            files.feed,
            files.path,
            files.lines,
            (select count(*) from rows where rows.path = files.path) as loaded,
            (select count(distinct line) from rows where rows.path = files.path) as loaded_lines,
            (select count(*) from raw.rejected_rows as rejected where rejected.path = files.path) as rejected,
            files.rows_loaded,
            files.rows_rejected,
        from raw.loaded_files as files
    )

    from counted
    where loaded <> rows_loaded or rejected <> rows_rejected or loaded + rejected <> lines or loaded_lines <> loaded
"""


def deliver_clean(shop: Shop) -> None:
    for path, data in CLEAN.items():
        shop.put(path, data)


def expect_everything_accounted_for(shop: Shop, delivered: set[str]) -> None:
    loaded = {path for (path,) in shop.rows("select path from raw.loaded_files")}
    rejected = {path for (path,) in shop.rows("select path from raw.rejected_files")}
    assert loaded | rejected == delivered
    assert not loaded & rejected
    assert shop.rows(UNACCOUNTED) == []
    strays = "from raw.rejected_rows where path not in (select path from raw.loaded_files)"
    assert shop.rows(f"select count(*) {strays}") == [(0,)]
    clean = shop.rows(
        "select path, rows_loaded, rows_rejected from raw.loaded_files where path like '%/clean.%' order by 1"
    )
    assert clean == [(path, 50, 0) for path in sorted(CLEAN)]


@pytest.mark.parametrize("kind", MAKERS)
def test_of_damaged_files_every_line_is_accounted_for(shop: Shop, kind: str) -> None:
    deliver_clean(shop)
    chance = random.Random(f"damage {kind}")
    for number in range(FILES_OF_EACH_KIND):
        shop.put(f"{kind}/{number:04}", damaged(chance, MAKERS[kind](chance)))
    delivered = {*CLEAN, *(f"{kind}/{number:04}" for number in range(FILES_OF_EACH_KIND))}
    load(shop.settings)
    expect_everything_accounted_for(shop, delivered)
    before = shop.contents()
    assert load(shop.settings).rows_loaded == 0
    assert shop.contents() == before
