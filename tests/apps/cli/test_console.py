"""Tables, messages and JSON of the command line."""

import io
import json

import pandas as pd
import pytest
from rich.console import Console

from apps.cli import console, data_tables, recommendation_tables
from apps.recommendation_queries import RecommendationList
from warehouse.loading.reports import LoadReport


@pytest.fixture
def console_output(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The text written to standard output."""
    text = io.StringIO()
    monkeypatch.setattr(console, "stdout_console", Console(file=text, width=120))
    return text


def test_brackets_in_data_are_no_markup(console_output: io.StringIO) -> None:
    console.print_table("A [title]", [{"product_name": "Mug [red] XL [/red] [/nothing]", "price": 9.5}])
    console.print_line("could not read events/[b]a.csv")
    assert "Mug [red] XL [/red] [/nothing]" in console_output.getvalue()
    assert "could not read events/[b]a.csv" in console_output.getvalue()


def test_print_load_names_shared_files(console_output: io.StringIO) -> None:
    data_tables.print_load(LoadReport(shared_files={f"{number}.csv": ["a", "b"] for number in range(6)}))
    assert "several feeds, 6 files: 0.csv (a, b), 1.csv (a, b)," in console_output.getvalue()
    assert console_output.getvalue().endswith("4.csv (a, b), ...\n")


def test_missing_values_in_table_and_json(console_output: io.StringIO) -> None:
    frame = pd.DataFrame({"price": [float("nan"), 2.0], "seen_at": pd.to_datetime([None, "2026-01-01 10:20:30"])})
    console.print_table("Prices", frame.to_dict("records"), ["price", "seen_at"])
    assert console_output.getvalue().splitlines()[2].split() == ["-", "-"]
    assert console_output.getvalue().splitlines()[3].split() == ["2.00", "2026-01-01", "10:20"]
    console_output.truncate(0)
    console_output.seek(0)
    console.print_json({"rows": frame})
    assert json.loads(console_output.getvalue())["rows"][0] == {"price": None, "seen_at": None}


def test_exit_with_error_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        console.exit_with_error("load failed:\n  a.csv\n\tis empty")
    assert exit_info.value.code == 1
    assert capsys.readouterr().err == "recomart: load failed: a.csv is empty\n"


def test_pinned_product_has_no_score(console_output: io.StringIO) -> None:
    defaults = {"product_name": "Mug", "category": None, "brand": None, "price": 9.5, "reason": "Why"}
    rows = [
        {"rank": rank, "product_id": f"p{rank}", "score": 0.5, "source": source, **defaults}
        for rank, source in enumerate(("pinned", "model"), 1)
    ]
    recommendation_tables.print_recommendations("Top 2", RecommendationList(pd.DataFrame(rows), is_fallback=False))
    pinned, other = (line.split() for line in console_output.getvalue().splitlines() if line.strip()[:1] in ("1", "2"))
    assert (pinned[-2], other[-2]) == ("-", "0.5000")
