"""The commands load, rejected, reload and status."""

from pathlib import Path

import pytest

from tests.e2e.test_error_messages import assert_one_line_error
from tests.recomart_cli import RecomartCli

SOURCES = """
feeds:
  purchases:
    files: "*.csv"
    format: csv
    columns: {product_id: sku, purchased_at: when, quantity: qty}
"""

HEADER_ERROR = "the header has no 'when' (for purchased_at); it has sku, qty"


@pytest.fixture(scope="module")
def loaded_shop_options(cli: RecomartCli, tmp_path_factory: pytest.TempPathFactory) -> tuple[str | Path, ...]:
    """Command line options that name a small, loaded shop."""
    folder = tmp_path_factory.mktemp("small_shop")
    (folder / "sources.yml").write_text(SOURCES, encoding="utf-8")
    landing = folder / "landing"
    landing.mkdir()
    (landing / "2026-01-01.csv").write_text(
        "sku;when;qty\np1;2026-01-01;1\n[red]\tx\np2;2026-01-01\n", encoding="utf-16"
    )
    (landing / "2026-01-02.csv").write_text("sku,when,qty\np1,2026-01-02,1\n", encoding="utf-8")
    (landing / "2026-01-03.csv").write_text("sku,qty\np1,1\n", encoding="utf-8")
    (landing / "2026-01-04.csv.part").write_text("sku,wh", encoding="utf-8")
    (landing / "catalog").mkdir()
    (landing / "catalog" / "products.json").write_text("[]", encoding="utf-8")
    options = ("--sources", folder / "sources.yml", "--landing", landing, "--warehouse", folder / "warehouse")
    result = cli("load", *options)
    assert result.returncode == 0, result.stderr
    assert f"rejected file 2026-01-03.csv: {HEADER_ERROR}" in result.stdout
    assert "not loaded, 1 file without a feed: catalog/products.json\n" in result.stdout
    assert "purchases: the format (utf-16-le, delimiter ';') was detected in 1 file; if it is wrong," in result.stdout
    return options


def test_rejected_lists_lines_and_files(cli: RecomartCli, loaded_shop_options: tuple[str | Path, ...]) -> None:
    report = cli.run_json("rejected", *loaded_shop_options[-2:])
    assert [(line["file"], line["line"], line["text"], line["error"]) for line in report["lines"]] == [
        ("2026-01-01.csv", 3, "[red]\tx", "1 fields where the header has 3"),
        ("2026-01-01.csv", 4, "p2;2026-01-01", "2 fields where the header has 3"),
    ]
    assert [(file["file"], file["error"]) for file in report["files"]] == [("2026-01-03.csv", HEADER_ERROR)]
    first_line = cli.run_json(
        "rejected", "--feed", "purchases", "--file", "*-01.csv", "-n", "1", *loaded_shop_options[-2:]
    )
    assert (len(first_line["lines"]), first_line["line_count"], first_line["files"]) == (1, 2, [])
    table = cli("rejected", *loaded_shop_options[-2:]).stdout
    assert "[red]\\tx" in table
    assert HEADER_ERROR in table


def test_rejected_reports_unknown_feed(cli: RecomartCli, loaded_shop_options: tuple[str | Path, ...]) -> None:
    assert_one_line_error(
        cli("rejected", "--feed", "evnts", *loaded_shop_options[-2:]),
        "unknown feed 'evnts': known are purchases",
    )


def test_rejected_lists_newest_first(cli: RecomartCli, tmp_path: Path) -> None:
    (tmp_path / "sources.yml").write_text(SOURCES, encoding="utf-8")
    (tmp_path / "landing").mkdir()
    options = ("--warehouse", tmp_path / "warehouse")
    for name in ("2026-01-02", "2026-01-01"):
        (tmp_path / "landing" / f"{name}.csv").write_text("sku;when;qty\np1;2026-01-01;1\nbroken\n", encoding="utf-8")
        cli.run_json("load", *("--sources", tmp_path / "sources.yml"), *("--landing", tmp_path / "landing"), *options)
    report = cli.run_json("rejected", "-n", "1", *options)
    assert ([line["file"] for line in report["lines"]], report["line_count"]) == (["2026-01-01.csv"], 2)


def test_reload_loads_matching_files(cli: RecomartCli, loaded_shop_options: tuple[str | Path, ...]) -> None:
    for options in (("--file", "*-02.csv"), ("--date", "2026-01-02"), ("--date", "2026-01-02..2026-01-09")):
        report = cli.run_json("reload", *options, *loaded_shop_options)
        assert (report["feeds"]["purchases"]["files_replaced"], report["feeds"]["purchases"]["rows_loaded"]) == (1, 1)
    assert_one_line_error(cli("reload", *loaded_shop_options), "--file GLOB, --date YYYY-MM-DD")
    assert_one_line_error(
        cli("reload", "--file", "*-09.csv", *loaded_shop_options), "none of its 3 files matches *-09.csv"
    )
    assert_one_line_error(cli("reload", "--date", "tomorrow", *loaded_shop_options), "'tomorrow' is not a date")


def test_status_shows_last_load(cli: RecomartCli, loaded_shop_options: tuple[str | Path, ...]) -> None:
    (feed,) = cli.run_json("status", *loaded_shop_options[-2:])["feeds"]
    assert feed["last_loaded_at"]
    assert feed["newest_row_at"] is None
    assert (feed["lines"], feed["loaded"], feed["rejected"], feed["rejected_files"]) == (4, 2, 2, 1)
