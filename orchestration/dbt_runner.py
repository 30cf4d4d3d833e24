"""Run dbt as a child process, report its progress, and turn its failures into clear errors.

dbt runs in a child process, whose end releases DuckDB's lock on the warehouse.
"""

import csv
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from warehouse.database import connect, describe_damage_error, describe_lock_error, describe_memory_error
from warehouse.disk_full import describe_disk_full_error
from warehouse.errors import DiskFullError, RecomartError, WarehouseBusyError
from warehouse.locks import exclusive_lock
from warehouse.settings import PROJECT_ROOT, Settings

PROJECT_DIR = PROJECT_ROOT / "dbt_project"

TRAINING_INPUT_SELECTION = ("--exclude", "source:ml+")
"""Selection of all dbt nodes that do not read the output of the training: the training reads some of them."""

TRAINING_OUTPUT_SELECTION = ("--select", "source:ml+")
"""Selection of the dbt nodes that read the output of the training (schema ml), directly or through other nodes."""


def _select_tables(*nodes: str) -> tuple[str, ...]:
    """Return the selection of the tables among the nodes: new data changes no view and no seed.

    A test is selected with any of its tables; to exclude the views would exclude the tests of tables and views too.
    """
    kinds = ("table", "incremental")
    return ("--select", *(f"{node},config.materialized:{kind}" for node in nodes for kind in kinds))


LIST_INPUT_SELECTION = (*_select_tables("+exposure:http_service", "+ml_interactions"), "--exclude", "source:ml+")
"""The tables of TRAINING_INPUT_SELECTION that new lists need, and their tests: a quarter of all nodes."""

LIST_OUTPUT_SELECTION = _select_tables("source:ml+,+exposure:http_service")
"""The tables of TRAINING_OUTPUT_SELECTION that new lists need, and their tests."""

RULES_OUTPUT_SELECTION = ("--select", "source:merchandising+", "placements+")
"""The dbt nodes that read the merchandising rules, directly or through other nodes, and the seed of the placements, so
that a new or wrong line of it is found."""

BUILD_COMMAND = ("build", "--exclude-resource-type", "unit_test")
"""`dbt build` without the unit tests. They check the SQL and not the data, and take a quarter of the pipeline's time.
CI and a plain `dbt build` run them."""

OUT_OF_SYNC_MESSAGE = "The source and target schemas on this incremental model are out of sync"
"""dbt's message when the columns of a table differ from the columns of its dbt model."""

SEED_HINT = "Write numbers like 2.5 and dates like 2026-01-31, and separate columns by commas"
"""Hint for a seed that dbt cannot load; dbt's own message does not explain the format."""

CONTEXT_PATTERNS = {
    # Lines around the message, such as `Compilation Error in test assert_x (tests/assert_x.sql)`.
    r"^\s*(Encountered an error:|\w+ Error( in \w+ .*)?|> (in macro|called by) .*)$": "",
    # The settings of a node with a wrong one; `at path` says which.
    r"@ (\w+): \{(?:'name': ('[^'\n]*'))?.*\} - at path ": r"@ \1 \2 at path ",
    # The lines around a YAML syntax error.
    r"-{20,}\n(.*\n)*?\s*Raw Error:\n\s*-{20,}$": "",
    r"^\s*compiled code at .*$": "",
    # The line of a DuckDB error, with a caret below the position.
    r"^\s*LINE \d+:.*\n\s*\^\s*$": "",
}
"""Patterns of what surrounds the reason in dbt's messages, with their replacements."""

LOG = logging.getLogger(__name__)


class DbtProgress(NamedTuple):
    """Progress of a dbt command."""

    done_count: int
    total_count: int
    node: str


class DbtResult(BaseModel):
    """Result of a dbt command."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    status_counts: dict[str, int]
    """Number of nodes with each dbt status: success, pass, warn, skipped, error, fail."""

    warnings: list[str]
    """The messages of the tests that warned, each after the name of its test."""

    seconds: float
    """Wall time. The time to start dbt is included only if `run_dbt` started the process."""


def find_dbt_executable() -> str:
    """Return the path of the dbt command next to the running Python interpreter; its folder may not be on PATH."""
    return str(Path(sys.executable).with_name("dbt"))


@contextmanager
def start_dbt(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Start a process that imports dbt ahead of time and waits until `run_dbt` sends it a command.

    The process is killed on exit.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration.dbt_subprocess"],
        cwd=PROJECT_DIR,
        env=settings.build_environment() | build_dbt_environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.kill()
            # Closing flushes the command. This fails if the process ended before it read the command.
            with suppress(BrokenPipeError):
                process.stdin.close()


def run_dbt(
    settings: Settings,
    *args: str,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: subprocess.Popen[str] | None = None,
) -> DbtResult:
    """Run a dbt command on the warehouse.

    The command runs in `started_process` (of `start_dbt`) if that process still waits, otherwise in a new process.

    Raises:
        WarehouseBusyError: Another process has the warehouse open.
        DiskFullError: The disk is full.
        RecomartError: A node failed, or dbt could not start. The message names the nodes and the log file.
    """
    start_seconds = time.perf_counter()
    delete_run_results(settings)
    log = _LogReader(on_progress)
    is_waiting = started_process is not None and started_process.poll() is None
    with nullcontext(started_process) if started_process and is_waiting else start_dbt(settings) as process:
        # If dbt cannot be imported, the process has already ended. Its output contains the reason.
        with suppress(BrokenPipeError):
            # The log file is text: as JSON, it takes 8 % of a build's processor time.
            log_options = ["--log-format", "json", "--log-format-file", "text", "--log-level", "info"]
            _send_arguments(process, [*log_options, *args])
        log.read(process)
        status = process.wait()
    if status != 0:
        raise build_dbt_error(settings, args[0], log.errors, settings.warehouse / "logs")
    results = _read_run_results(settings)
    statuses: dict[str, int] = {}
    for result in results:
        statuses[result["status"]] = statuses.get(result["status"], 0) + 1
    return DbtResult(
        status_counts=statuses,
        warnings=[message for result in results if result["status"] == "warn" for message in _describe_warning(result)],
        seconds=time.perf_counter() - start_seconds,
    )


def build_dbt_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that make dbt keep its artifacts and logs in the warehouse's folder."""
    return {
        "DBT_TARGET_PATH": str(settings.dbt_target_dir),
        "DBT_LOG_PATH": str(settings.warehouse / "logs"),
    }


def _send_arguments(process: subprocess.Popen[str], args: list[str]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(args) + "\n")
    process.stdin.flush()


class _LogReader:
    """Collects the errors in the log of a dbt process, and reports each finished node."""

    def __init__(self, on_progress: Callable[[DbtProgress], None]) -> None:
        self._on_progress = on_progress
        self._done_count = 0
        self.errors: list[str] = []
        """Error messages, and lines that are not in dbt's log format."""

    def read(self, process: subprocess.Popen[str]) -> None:
        """Read the log until the process closes it."""
        assert process.stdout is not None
        for line in process.stdout:
            try:
                event = json.loads(line)
                info, data = event["info"], event["data"]
            except (ValueError, KeyError, TypeError):
                self.errors.append(line.strip())
            else:
                self._handle_event(info, data)

    def _handle_event(self, info: dict[str, Any], data: dict[str, Any]) -> None:
        if info["level"] == "error":
            self.errors.append(info["msg"].strip())
        if info["name"].startswith("Log") and info["name"].endswith("Result"):
            node = data.get("node_info", {})
            # The results of tests have the number of nodes under another name.
            total_count = data.get("total", data.get("num_models"))
            if "index" in data and total_count is not None:
                # The index is the order of the starts; nodes run side by side.
                self._done_count += 1
                self._on_progress(DbtProgress(self._done_count, total_count, node.get("node_name", "")))


def _get_results_file(settings: Settings) -> Path:
    return settings.dbt_target_dir / "run_results.json"


def delete_run_results(settings: Settings) -> None:
    """Delete the results of the previous dbt command, so that a command that fails early leaves none."""
    _get_results_file(settings).unlink(missing_ok=True)


def _read_run_results(settings: Settings) -> list[dict[str, Any]]:
    try:
        results: list[dict[str, Any]] = json.loads(_get_results_file(settings).read_text(encoding="utf-8"))["results"]
    except (FileNotFoundError, ValueError):
        # dbt ended before it wrote the file, or could not write all of it.
        return []
    return results


def _describe_result(result: dict[str, Any]) -> str:
    name, message = _get_name(result), _get_message(result)
    if result["unique_id"].startswith("seed."):
        return f"{_locate_seed_error(name, message)}. {SEED_HINT}"
    return f"{name}: {shorten_message(message)}"


def _describe_warning(result: dict[str, Any]) -> list[str]:
    name = _get_name(result)
    return [f"{name}: {message}" for message in _get_test_messages(result)] or [_describe_result(result)]


def _get_name(result: dict[str, Any]) -> str:
    """Return the name of the result's node."""
    return str(result["unique_id"].split(".")[2])


def describe_remedy(test: str) -> str:
    """Return what to do about a failed test of severity error."""
    return f"Correct the data and run `recomart run`, or accept the failure with `recomart accept {test} --why REASON`"


def _get_test_messages(result: dict[str, Any]) -> list[str]:
    """Return the messages of a test's failing rows; none for other nodes, and for rows without messages."""
    is_test = result["unique_id"].startswith("test.")
    return str(result["adapter_response"].get("_message", "")).splitlines() if is_test else []


def _get_message(result: dict[str, Any]) -> str:
    return "; ".join(_get_test_messages(result)) or result["message"] or ""


def _locate_seed_error(name: str, message: str) -> str:
    """Return the message of a seed that cannot be loaded, after the file and, if known, the line and the column."""
    # DuckDB's message has the wrong value in quotes, and no line.
    match = re.search(r"\((seeds/.+?\.csv)\)\s*(.*)", message, re.DOTALL)
    if not match:
        return f"{name}: {shorten_message(message)}"
    location, problem = f"dbt_project/{match[1]}", shorten_message(match[2])
    file = PROJECT_DIR / match[1]
    if file.exists() and not file.stat().st_size:
        return f"{location}: the file is empty"
    values = {value for pair in re.findall(r"\"([^\"]+)\"|'([^']+)'", problem) for value in pair if value}
    with suppress(OSError, UnicodeDecodeError, csv.Error), file.open(encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        for row in reader:
            if reader.restkey in row:
                return f"{location}, line {reader.line_num}: it has more values than there are columns"
            for column, value in row.items():
                if value in values:
                    return f"{location}, line {reader.line_num}, column {column}: {problem}"
    return f"{location}: {problem}"


def _find_wrong_encoding() -> str | None:
    """Return a message about the first seed that is not in UTF-8, whose name dbt's message lacks; None without one."""
    for file in sorted((PROJECT_DIR / "seeds").rglob("*.csv")):
        try:
            file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            return (
                f"dbt_project/{file.relative_to(PROJECT_DIR)}, line {line}: it is not in UTF-8. Save the file in UTF-8"
            )
    return None


def shorten_message(message: str) -> str:
    """Return the beginning of a message, without colours and line breaks; dbt's log has the full message.

    Texts before the reason, and quoted lines, are left out: they would push the reason beyond the end.
    """
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    for pattern, replacement in CONTEXT_PATTERNS.items():
        message = re.sub(pattern, replacement, message, flags=re.MULTILINE)
    return shorten(message, width=800, placeholder=" ...")


def build_dbt_error(settings: Settings, command: str, messages: Sequence[str], log_dir: Path) -> RecomartError:
    """Return the error for a failed dbt command, given dbt's messages and the folder of its log."""
    failed_results = [
        result for result in _read_run_results(settings) if result["status"] in ("error", "fail", "runtime error")
    ]
    reasons = [_describe_result(result) for result in failed_results] or [
        shorten_message(" ".join(messages)) or "no message"
    ]
    all_messages = " ".join([*(str(result["message"]) for result in failed_results), *messages])
    if lock_message := describe_lock_error(all_messages, settings.database):
        return WarehouseBusyError(lock_message)
    if disk_message := describe_disk_full_error(all_messages, settings.warehouse):
        return DiskFullError(disk_message)
    if memory_message := describe_memory_error(all_messages):
        return RecomartError(f"dbt {command} failed: {memory_message}")
    if damage_message := describe_damage_error(all_messages, settings.database):
        return RecomartError(damage_message)
    if "codec can't decode" in all_messages and (encoding_message := _find_wrong_encoding()):
        return RecomartError(f"dbt {command} failed: {encoding_message}")
    if OUT_OF_SYNC_MESSAGE in all_messages:
        return RecomartError(
            f"dbt {command} failed: {settings.database}: its tables have other columns than the models of this version "
            "of RecoMart. Rebuild them with `dbt build --full-refresh` in dbt_project/"
        )
    more_text = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    failed_tests = [_get_name(result) for result in failed_results if result["status"] == "fail"]
    remedy = f"{describe_remedy(failed_tests[0])}. " if failed_tests else ""
    return RecomartError(f"dbt {command} failed: {'; '.join(reasons[:3])}{more_text}. {remedy}See {log_dir}/dbt.log")


def read_failed_test_messages(settings: Settings) -> dict[str, str]:
    """Return the messages of the tests that failed or warned in the last command, by unique id; one line a row."""
    return {
        result["unique_id"]: "\n".join(_get_test_messages(result)) or shorten_message(_get_message(result))
        for result in _read_run_results(settings)
        if result["unique_id"].startswith("test.") and result["status"] != "pass"
    }


@contextmanager
def lock_build(settings: Settings) -> Iterator[None]:
    """Hold the lock on dbt builds, so that only one build runs at a time.

    Waits up to the settings' `wait_seconds` until no other process builds or writes. Without this function, dbt would
    wait for one minute, regardless of the settings.

    Raises:
        WarehouseBusyError: Another process still has the warehouse open.
    """
    deadline = time.monotonic() + settings.wait_seconds
    with exclusive_lock(settings.dbt_target_dir / "building.lock", "dbt build", settings.wait_seconds, LOG.warning):
        remaining_seconds = max(0.0, deadline - time.monotonic())
        connect(settings.model_copy(update={"wait_seconds": remaining_seconds})).close()
        yield
