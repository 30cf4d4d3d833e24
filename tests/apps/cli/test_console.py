"""Tables, messages and JSON of the command line."""

import io
import json
import logging
from datetime import datetime

import pandas as pd
import pytest
from rich.console import Console

from apps.cli import acceptances, console, data_tables
from apps.cli.data_tables import list_refused_actions
from apps.cli.entry_point import PrintableFormatter
from apps.cli.rejects import RejectedLine, RejectReport
from orchestration.dbt_runner import DbtProgress
from orchestration.refusals import Acceptance, Refusal
from warehouse.fetching.reports import FetchProgress
from warehouse.formatting import UNPRINTABLE_PATTERN
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


HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eexe.csv\u2066\ud800\r\nfake: line\tb"
ESCAPED = r"a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eexe.csv\u2066\ud800"


def assert_escaped(text: str) -> None:
    """Check that a text shows the hostile one, in one line without control characters."""
    assert ESCAPED in text
    assert not UNPRINTABLE_PATTERN.search(text.replace("\n", ""))
    assert not any(line.lstrip().startswith("fake") for line in text.splitlines())


def test_control_characters_are_escaped(console_output: io.StringIO) -> None:
    console.print_line(f"rejected file {HOSTILE}: {HOSTILE}")
    console.print_table(f"Table {HOSTILE}", [{HOSTILE: HOSTILE}])
    console.print_table(HOSTILE, [])
    assert_escaped(console_output.getvalue())


def test_json_has_no_control_characters(console_output: io.StringIO) -> None:
    """They are escaped, so that programs read the same text."""
    names = {"name": HOSTILE, "hebrew": "\u200f\u05e9\u05dc\u05d5\u05dd"}
    console.print_json(names)
    assert not UNPRINTABLE_PATTERN.search(console_output.getvalue().replace("\n", ""))
    assert json.loads(console_output.getvalue()) == names


def test_reports_have_no_control_characters(console_output: io.StringIO) -> None:
    report = LoadReport(
        rejected_files={HOSTILE: HOSTILE},
        skipped_rejected_files=[HOSTILE],
        unreadable_feeds={"a": HOSTILE},
        changing_files=[HOSTILE],
        unmatched_files=[HOSTILE],
        shared_files={HOSTILE: [HOSTILE]},
        detected_formats={"a": {HOSTILE: 1}},
        undeclared_columns={"a": [HOSTILE]},
    )
    data_tables.print_load(report)
    name = HOSTILE.replace("\ud800", "")
    line = RejectedLine(feed="a", file=name, line=1, error=name, text=name)
    data_tables.print_rejects(RejectReport(line_count=1, lines=[line], file_count=0, files=[]))
    assert_escaped(console_output.getvalue())


def test_progress_and_errors_have_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = io.StringIO()
    monkeypatch.setattr(
        console, "stderr_console", Console(file=text, force_terminal=True, width=300, color_system=None)
    )
    with console.StepProgress() as progress:
        progress.on_step("load")
        progress.on_stage(HOSTILE)
        progress.on_dbt(DbtProgress(1, 2, HOSTILE))
        progress.on_fetch(FetchProgress(HOSTILE, 1, 1, 1, None))
        progress.on_step_done("load", HOSTILE, 1.0)
    for code in ("\x1b]0;owned", "\x1b[2J", "\x9b", "\u202e"):
        assert code not in text.getvalue()
    assert ESCAPED in text.getvalue()
    with pytest.raises(SystemExit):
        console.exit_with_error(HOSTILE)
    assert_escaped(capsys.readouterr().err)


def test_logged_warnings_have_no_control_characters() -> None:
    record = logging.LogRecord("x", logging.WARNING, "x", 1, "process 1 (%s)", (HOSTILE,), None)
    assert ESCAPED in PrintableFormatter().format(record)


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


def test_accept_lists_utc_times_and_all_refused_actions(
    console_output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = {"fingerprint": "a", "failure_count": 1, "newest_load_id": 1, "message": "1 line"}
    node = {"node": "test.recomart.assert_volume", "status": "fail", "changed_at": datetime(2026, 1, 1)}
    refusal = Refusal(**result, **node, steps=["training", "scoring", "publishing"])
    acceptance = Acceptance(**result, test="a", why="b", accepted_by="c", accepted_at="2026-01-02 03:04:05")
    monkeypatch.setattr(acceptances, "find_refusals", lambda _: [refusal])
    monkeypatch.setattr(acceptances, "list_accepted", lambda _: [(acceptance, True)])
    acceptances.accept()
    assert "accepted at (UTC)" in " ".join(console_output.getvalue().split())
    assert list_refused_actions([refusal]) == ["training", "tuning", "scoring", "promotion", "publishing"]
    assert "training, tuning" in console_output.getvalue()


def test_exit_with_error_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        console.exit_with_error("load failed:\n  a.csv\n\tis empty")
    assert exit_info.value.code == 1
    assert capsys.readouterr().err == "recomart: load failed: a.csv is empty\n"
