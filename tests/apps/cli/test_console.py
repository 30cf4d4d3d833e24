"""Tables, messages and JSON of the command line."""

import io
import json
from datetime import datetime

import pandas as pd
import pytest
from rich.console import Console

from apps.cli import console, data_tables
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
    frame = pd.DataFrame({"price": [float("nan"), 2.5], "seen_at": pd.to_datetime([None, "2026-01-01 10:20:30"])})
    console.print_table("Prices", frame.to_dict("records"), ["price", "seen_at"])
    assert console_output.getvalue().splitlines()[2].split() == ["-", "-"]
    assert console_output.getvalue().splitlines()[3].split() == ["2.50", "2026-01-01", "10:20"]
    console_output.truncate(0)
    console_output.seek(0)
    console.print_json({"rows": frame})
    assert json.loads(console_output.getvalue())["rows"][0] == {"price": None, "seen_at": None}


def test_columns_have_one_precision(console_output: io.StringIO) -> None:
    """A title longer than the table does not wrap."""
    title = "Numbers of a very small table with a long title"
    console.print_table(
        title,
        [
            {"epochs": 2.0, "spend": 0.0, "share": 0.25, "at": datetime(2026, 1, 1, 10, 20)},
            {"epochs": None, "spend": 8530.449, "share": 0.5, "at": None},
        ],
    )
    console.print_table("Settings", [])
    lines = [line.rstrip() for line in console_output.getvalue().splitlines()]
    assert lines[0] == title
    assert lines[1].split() == ["epochs", "spend", "share", "at", "(UTC)"]
    assert lines[2].split() == ["2", "0.00", "0.2500", "2026-01-01", "10:20"]
    assert lines[3].split() == ["-", "8,530.45", "0.5000", "-"]
    assert lines[4:] == ["", "Settings: none", ""]


def test_exit_with_error_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        console.exit_with_error("load failed:\n  a.csv\n\tis empty")
    assert exit_info.value.code == 1
    assert capsys.readouterr().err == "recomart: load failed: a.csv is empty\n"
