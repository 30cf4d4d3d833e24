"""Shops with other column names and formats, declared as docs/bring_your_own_shop.md describes."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.dbt_runner import BUILD_COMMAND, TRAINING_INPUT_SELECTION, run_dbt
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader
from warehouse.settings import PROJECT_ROOT, Settings

GUIDE_FILE = PROJECT_ROOT / "docs" / "bring_your_own_shop.md"
RETAILROCKET_FILE = PROJECT_ROOT / "warehouse" / "examples" / "retailrocket.yml"

RowCounts = tuple[int, int, int, int, int]
"""Lines, rejected, clean, duplicates, quarantined."""


def read_guide_block(language: str) -> str:
    """Return the guide's only code block in a language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE_FILE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(block)


def load_and_count_rows(recomart: RecomartCli, settings: Settings) -> dict[str, RowCounts]:
    """Load and build the shop; return the row counts of each feed."""
    options = ("--sources", settings.sources, "--landing", settings.landing_dir, "--warehouse", settings.warehouse)
    result = recomart("load", *options)
    assert result.returncode == 0, result.stderr
    run_dbt(settings, *BUILD_COMMAND, *TRAINING_INPUT_SELECTION)
    names = ("lines", "rejected", "clean", "duplicates", "quarantined")
    status = recomart.run_json("status", "--warehouse", settings.warehouse)
    return {feed["feed"]: tuple(feed[name] for name in names) for feed in status["feeds"]}


def query_warehouse(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the warehouse."""
    with open_reader(settings) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
def test_german_shop(recomart: RecomartCli, dbt_folder: Path) -> None:
    """Prices, times and the nested catalog of the guide's example are parsed."""
    settings = Settings(
        warehouse=dbt_folder / "warehouse", landing=dbt_folder / "landing", sources=dbt_folder / "shop.yml"
    )
    settings.sources.write_text(read_guide_block("yaml"), encoding="utf-8")
    files = {
        "verkauf/bestellungen_20260731.csv": (
            "Bestellnr;Kunde;Artikel;Bezeichnung;Menge;Einzelpreis;Bestelldatum\r\n"
            'B1;K1;A-1;"Übertopf; groß";2;1.234,50;31.01.2026 14:05\r\n'
            "B2;K2;A-2;Gießkanne;1;9,90;31.07.2026 14:05\r\n"
            "B2;K2;A-2;Gießkanne;1;9,90;31.07.2026 14:05\r\n"
            "S3;K2;A-2;Gießkanne;1;9,90;31.07.2026 15:00\r\n"
            "B4;K2;A-3;Säge;1;gratis;31.02.2026 10:00\r\n"
            "B5;K2;A-3\r\n"
        ),
        "klicks/klicks_20260731.csv": (
            "Sitzung;Kunde;Artikel;Aktion;Zeitpunkt;Gerät\r\n"
            "s1;K1;A-1;ANSICHT;01.01.2026 00:30:15;Handy\r\n"
            "s1;K1;A-1;Warenkorb;01.01.2026 00:31:00;Handy\r\n"
            "s1;K1;A-1;Merkzettel;01.01.2026 00:32:00;Handy\r\n"
        ),
    }
    for path, text in files.items():
        file = settings.landing_dir / path
        file.parent.mkdir(parents=True)
        file.write_bytes(text.encode("cp1252"))
    products = [
        {
            "artikel": {"nr": number, "titel": title},
            "kategorie": "Töpfe",
            "offer": {"price": price, "currency": "EUR"},
            "stand": "01.01.2026 06:00",
        }
        for number, title, price in (("A-1", "Übertopf", "1.299,00"), ("A-2", "Gießkanne", "auf Anfrage"))
    ]
    (settings.landing_dir / "katalog.json").write_text(json.dumps({"data": {"items": products}}), encoding="utf-8")

    assert load_and_count_rows(recomart, settings) == {
        "purchases": (6, 1, 3, 1, 1),
        "events": (3, 0, 2, 0, 1),
        "products": (2, 0, 1, 0, 1),
    }
    columns = "transaction_id, cast(price as double), quantity, purchased_at, is_return"
    purchases = f"select {columns} from marts.fct_transactions order by transaction_id"
    assert query_warehouse(settings, purchases) == [
        ("B1", 1234.5, 2, datetime(2026, 1, 31, 13, 5), False),
        ("B2", 9.9, 1, datetime(2026, 7, 31, 12, 5), False),
        ("S3", 9.9, -1, datetime(2026, 7, 31, 13, 0), True),
    ]
    assert query_warehouse(settings, "select event_type, event_at from marts.fct_events order by event_at") == [
        ("view", datetime(2025, 12, 31, 23, 30, 15)),
        ("add_to_cart", datetime(2025, 12, 31, 23, 31)),
    ]
    names = dict(query_warehouse(settings, "select product_id, product_name from marts.dim_products"))
    assert names["A-2"] == "Gießkanne"
    assert query_warehouse(
        settings, "select price, category from marts.dim_product_history where product_id = 'A-1'"
    ) == [(1299.0, "töpfe")]


@pytest.mark.slow
def test_retailrocket_shop(recomart: RecomartCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times, transactions and weekly properties are parsed."""
    settings = Settings(warehouse=tmp_path / "warehouse", landing=tmp_path / "landing", sources=RETAILROCKET_FILE)
    (settings.landing_dir / "catalog").mkdir(parents=True)
    (settings.landing_dir / "events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433221332117,257597,view,355908,\n"
        "1433221400500,257597,addtocart,355908,\n"
        "1433222276276,257597,transaction,355908,4000\n"
        "1433222276276,599528,transaction,15335,4001\n"
        "yesterday,599528,view,15335,\n"
        "1433222300000,,view,15335,\n"
        "1433222300000,12\n",
        encoding="utf-8",
    )
    for part, lines in enumerate(
        (
            "1431226800000,355908,categoryid,1338\n1431226800000,355908,available,1\n1431226800000,355908,790,n9.000\n",
            "1433646000000,355908,available,0\n",
        )
    ):
        (settings.landing_dir / f"item_properties_part{part + 1}.csv").write_text(
            "timestamp,itemid,property,value\n" + lines, encoding="utf-8"
        )
    monkeypatch.chdir(settings.landing_dir)
    duckdb.execute(read_guide_block("sql")).fetchall()

    assert load_and_count_rows(recomart, settings) == {"events": (8, 1, 4, 1, 2), "products": (2, 0, 2, 0, 0)}
    assert query_warehouse(
        settings, "select transaction_id, user_id, purchased_at from marts.fct_transactions order by 1"
    ) == [
        ("4000", "257597", datetime(2015, 6, 2, 5, 17, 56, 276000)),
        ("4001", "599528", datetime(2015, 6, 2, 5, 17, 56, 276000)),
    ]
    assert query_warehouse(
        settings,
        "select category, is_available, valid_from from marts.dim_product_history "
        "where product_id = '355908' order by valid_from",
    ) == [
        ("1338", True, datetime(2015, 5, 10, 3)),
        ("1338", False, datetime(2015, 6, 7, 3)),
    ]
    assert query_warehouse(settings, "select count(*) from marts.dim_products where product_id = '15335'") == [(1,)]
