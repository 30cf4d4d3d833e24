"""Output of the command line: tables and JSON to standard output, progress and errors to standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any, NoReturn, Self

import pandas as pd
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from orchestration.dbt_runner import DbtProgress
from orchestration.progress import PipelineListener
from warehouse.fetching.reports import FetchProgress
from warehouse.formatting import UNPRINTABLE_PATTERN, format_count, make_printable
from warehouse.loading.reports import LoadProgress

PIPED_WIDTH = 200
"""Width of tables that go to a file or another program instead of a terminal."""


HEADINGS = {
    "accepted_at": "accepted at (UTC)",
    "event_count": "events",
    "files_replaced": "of them replaced",
    "purchase_count": "purchase lines",
    "user_count": "customers",
    "user_id": "customer",
    "users": "customers",
}
"""Headings of columns whose name is not that of the documentation."""


def _create_console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)


stdout_console = _create_console(stderr=False)
stderr_console = _create_console(stderr=True)


def print_line(message: str) -> None:
    """Print a line, with empty lines before and after it as in the message.

    Control characters in file names and data are escaped, and square brackets are not read as markup. Line ends within
    the message become blanks.
    """
    text = message.strip("\n")
    line = make_printable(" ".join(text.splitlines()))
    stdout_console.print(message.replace(text, line, 1) if text else message, markup=False, soft_wrap=True)


def print_warning(message: str) -> None:
    """Print a warning to standard error."""
    stderr_console.print(f"warning: {make_printable(message)}", markup=False, soft_wrap=True)


def print_note(message: str) -> None:
    """Print a line to standard error."""
    stderr_console.print(make_printable(message), markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON; a data frame becomes a list of objects, a missing value null."""
    text = json.dumps(value, default=_to_json_value, indent=2, ensure_ascii=False)
    stdout_console.file.write("\n".join(map(_escape_json_line, text.split("\n"))) + "\n")


def print_json_line(value: Any) -> None:
    """Print a value as JSON in one line, which a program that reads the output gets at once."""
    text = json.dumps(value, default=_to_json_value, ensure_ascii=False)
    stdout_console.file.write(_escape_json_line(text) + "\n")
    stdout_console.file.flush()


def _escape_json_line(line: str) -> str:
    # JSON itself escapes only some of the control characters.
    return UNPRINTABLE_PATTERN.sub(lambda match: json.dumps(match[0])[1:-1], line)


def _to_json_value(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return json.loads(value.to_json(orient="records", date_format="iso"))
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def print_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows under a title; numbers are right-aligned, with thousands separators. Times must be UTC.

    Control characters are escaped.
    """
    if not rows:
        print_line(f"{title}: none\n")
        return
    table = Table(header_style="bold", box=None, pad_edge=False)
    cells = []
    for column in columns or rows[0]:
        values = [None if _is_missing(row[column]) else row[column] for row in rows]
        heading = HEADINGS.get(column, column.replace("_", " "))
        if any(isinstance(value, datetime) for value in values):
            heading += " (UTC)"
        is_number = any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        table.add_column(Text(make_printable(heading)), justify="right" if is_number else "left", overflow="fold")
        decimals = _choose_decimals([value for value in values if isinstance(value, float)])
        # Text, not markup: a product name may contain brackets, such as "Mug [red]".
        cells.append([Text(make_printable(_format_cell(value, decimals))) for value in values])
    for row_cells in zip(*cells, strict=True):
        table.add_row(*row_cells)
    # A title of the table itself would wrap at the width of the table.
    stdout_console.print(Text(make_printable(title), style="bold"), soft_wrap=True)
    stdout_console.print(table)
    stdout_console.print()


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and pd.isna(value))


def _choose_decimals(numbers: Sequence[float]) -> int:
    """Return the number of decimals of a column: two for large numbers and for prices, four for scores and shares."""
    if all(number.is_integer() for number in numbers):
        return 0
    largest = max(map(abs, numbers))
    are_prices = largest >= 1 and all(number == round(number, 2) for number in numbers)
    return 2 if largest >= 10 or are_prices else 4


def _format_cell(value: Any, decimals: int) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.{decimals}f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def to_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a data frame as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def exit_with_error(message: str) -> NoReturn:
    """Print the message as one line to standard error and exit with status 1."""
    sys.stderr.write(f"recomart: {make_printable(' '.join(message.split()))}\n")
    sys.exit(1)


def _format_detail(text: str) -> str:
    """Return a text as rich's markup, in one line without control characters."""
    return escape(make_printable(" ".join(text.splitlines())))


class StepProgress(PipelineListener, AbstractContextManager["StepProgress"]):
    """Shows each pipeline step on standard error: a progress bar while the step runs, a line when it is done."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=stderr_console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, detail="", visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_step(self, name: str) -> None:
        """Start a progress bar for the step."""
        self._progress.reset(self._task, total=None, description=f"{name:<10}", detail="", visible=True)

    def on_days(self, done: int, total: int) -> None:
        """Show how many days are done."""
        self._progress.update(self._task, total=total, completed=done, detail=f"{done} of {total} days")

    def on_fetch(self, progress: FetchProgress) -> None:
        """Show how many records are fetched; the bar moves when the API states their total number."""
        counts = f"{format_count(progress.record_count, 'record')}, {format_count(progress.page_count, 'page')}"
        detail = progress.wait_reason or f"{progress.feed}: {counts}, pass {progress.pass_number}"
        self._progress.update(
            self._task, total=progress.total_count, completed=progress.record_count, detail=_format_detail(detail)
        )

    def on_files(self, progress: LoadProgress) -> None:
        """Show how many files are done; the bar moves by bytes."""
        detail = f"{progress.files_done:,} of {progress.files_total:,} files"
        self._progress.update(
            self._task, total=max(1, progress.bytes_total), completed=progress.bytes_done, detail=detail
        )

    def on_dbt(self, progress: DbtProgress) -> None:
        """Show the current dbt node; the bar moves by nodes."""
        self._progress.update(
            self._task,
            total=progress.total_count,
            completed=progress.done_count,
            detail=_format_detail(progress.node[:50]),
        )

    def on_stage(self, message: str) -> None:
        """Show what the step does now."""
        self._progress.update(self._task, detail=_format_detail(message))

    def on_step_done(self, name: str, summary: str, seconds: float) -> None:
        """Replace the bar by one line with the summary and the seconds."""
        self._progress.update(self._task, visible=False)
        stderr_console.print(
            f"[green]done[/green] {name:<10} {seconds:6.1f} s  {_format_detail(summary)}", soft_wrap=True
        )
