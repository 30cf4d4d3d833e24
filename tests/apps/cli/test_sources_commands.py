"""`recomart sources draft` and `recomart sources check`."""

from pathlib import Path

import pytest

from apps.cli.sources import print_feed
from orchestration.sources_check import FeedCheck
from tests.recomart_cli import RecomartCli

LINES = (
    "order;customer;sku;title;qty;price;date",
    "1;c1;a;Mug;1;9,90;31.01.2026 14:05",
    "2;NA;b;Cup;2;on request;01.02.2026 09:00",
    "3;c2;b;Cup;two;1.234,50;02.02.2026 09:00",
    *(f"{order};c{order};a;Mug;1;9,90;02.02.2026 08:{order}" for order in range(10, 16)),
    "4;c2",
)


def test_draft_and_check(cli: RecomartCli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The draft loads without changes, and the check names the texts that are no values."""
    landing, sources = tmp_path / "landing", tmp_path / "shop.yml"
    landing.mkdir()
    (landing / "sales_20260202.csv").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    drafted = cli("sources", "draft", landing, "-o", sources)
    assert drafted.returncode == 0, drafted.stderr
    assert f"sources check --sources {sources} --landing {landing}" in drafted.stdout
    drafted_text = sources.read_text(encoding="utf-8")
    sources.write_text(drafted_text.replace("  purchases:\n", "  purchases:\n    keep_days: 30\n"), encoding="utf-8")
    (feed,) = cli.run_json("sources", "check", "--sources", sources, "--landing", landing)
    assert (feed["feed"], feed["rows"], feed["rejected_lines"]) == ("purchases", 9, 1)
    assert feed["first_error"] == "sales_20260202.csv, line 11: 2 fields where the header has 7"
    columns = {column["column"]: column for column in feed["columns"]}
    assert (columns["user_id"]["values"], columns["user_id"]["missing"]) == (8, 1)
    assert columns["price"]["texts_not_understood"] == {"on request": 1}
    assert (columns["quantity"]["values"], columns["quantity"]["not_understood"]) == (8, 1)
    assert columns["purchased_at"]["first"] == "2026-01-31 14:05:00"
    assert columns["purchased_at"]["last"] == "2026-02-02 09:00:00"
    assert feed["expired_rows"] == 9
    print_feed(FeedCheck.model_validate(feed))
    printed = capsys.readouterr().out
    assert "purchases.price: not understood: 'on request' (1)" in printed
    assert "purchases: 9 of these rows are older than 30 days (keep_days); a run erases such rows" in printed
    assert "first error: sales_20260202.csv, line 11: 2 fields where the header has 7" in printed
    assert not (tmp_path / "warehouse").exists()


def test_draft_keeps_existing_file(cli: RecomartCli, tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text("mine", encoding="utf-8")
    result = cli("sources", "draft", tmp_path, "-o", tmp_path / "shop.yml")
    assert result.returncode == 1
    assert "shop.yml: the file exists. Name another file" in result.stderr
    assert (tmp_path / "shop.yml").read_text(encoding="utf-8") == "mine"


def test_draft_of_missing_folder(cli: RecomartCli, tmp_path: Path) -> None:
    result = cli("sources", "draft", tmp_path / "nowhere")
    assert result.returncode == 1
    assert "nowhere: no such folder" in result.stderr
