"""Run dbt as a process of its own (so that it gives the warehouse back), follow it, and say what failed."""

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

from warehouse.database import connect, describe_lock_error, describe_memory_error
from warehouse.disk_full import describe_disk_full_error
from warehouse.errors import DiskFullError, RecomartError, WarehouseBusyError
from warehouse.locks import exclusive_lock
from warehouse.settings import PROJECT_ROOT, Settings

PROJECT_DIR = PROJECT_ROOT / "dbt_project"

MODEL_INPUT_SELECTION = ("--exclude", "source:ml+")
"""Selects what the model is trained from."""

MODEL_OUTPUT_SELECTION = ("--select", "source:ml+")
"""Selects what is made from the model's output."""

BUILD_COMMAND = ("build", "--exclude-resource-type", "unit_test")
"""Unit tests check the SQL and not the data: a plain `dbt build` and CI run them, the pipeline need not (a quarter of
its time)."""

OUT_OF_SYNC_MESSAGE = "The source and target schemas on this incremental model are out of sync"
"""What dbt says of a table whose model has other columns by now."""


SEED_HINT = "in dbt_project/seeds numbers are written 2.5, dates 2026-01-31, and columns are parted by commas"
"""What dbt does not say of a seed that does not fit its columns."""

LOG = logging.getLogger(__name__)


class DbtProgress(NamedTuple):
    """How far a dbt command is."""

    done_count: int
    total_count: int
    node: str


class DbtResult(BaseModel):
    """What a dbt command did."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    status_counts: dict[str, int]
    """Nodes by dbt's status: success, pass, warn, skipped, error, fail."""

    warnings: list[str]
    """What tests and macros warned of in words of their own, then the tests that warned, with dbt's message."""

    seconds: float
    """Wall time; the start of the dbt process included, unless it was started ahead."""


def find_dbt_executable() -> str:
    """The dbt command beside the running interpreter, which need not be on PATH."""
    return str(Path(sys.executable).with_name("dbt"))


@contextmanager
def start_dbt(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that imports dbt while something else is done, until `run_dbt` tells it what to do."""
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
            # What a dbt that had ended before could not be told is still in the buffer.
            with suppress(BrokenPipeError):
                process.stdin.close()


def run_dbt(
    settings: Settings,
    *args: str,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: subprocess.Popen[str] | None = None,
) -> DbtResult:
    """Run a dbt command on the warehouse, in a process of `dbt_started` that still waits, or in a new one.

    Raises:
        WarehouseBusyError: Another process holds the warehouse.
        DiskFullError: No more can be written.
        RecomartError: A node failed, or dbt could not start; names the nodes and where to read more.
    """
    begun = time.perf_counter()
    delete_run_results(settings)
    warnings: list[str] = []
    is_waiting = started_process is not None and started_process.poll() is None
    with nullcontext(started_process) if started_process and is_waiting else start_dbt(settings) as process:
        # A dbt that cannot even be imported has ended, and has said why.
        with suppress(BrokenPipeError):
            _send_arguments(process, ["--log-format", "json", "--log-level", "info", *args])
        errors = list(_read_log(process, on_progress, warnings.append))
        status = process.wait()
    if status != 0:
        raise build_dbt_error(settings, args[0], errors, settings.warehouse / "logs")
    results = _read_run_results(settings)
    statuses: dict[str, int] = {}
    for result in results:
        statuses[result["status"]] = statuses.get(result["status"], 0) + 1
    warnings += [_describe_result(result) for result in results if result["status"] == "warn"]
    return DbtResult(status_counts=statuses, warnings=warnings, seconds=time.perf_counter() - begun)


def build_dbt_environment(settings: Settings) -> dict[str, str]:
    """Variables that make dbt keep its artifacts and logs with the warehouse they are about."""
    return {
        "DBT_TARGET_PATH": str(settings.dbt_target_dir),
        "DBT_LOG_PATH": str(settings.warehouse / "logs"),
    }


def _send_arguments(process: subprocess.Popen[str], args: list[str]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(args) + "\n")
    process.stdin.flush()


def _read_log(
    process: subprocess.Popen[str], on_progress: Callable[[DbtProgress], None], on_warning: Callable[[str], None]
) -> Iterator[str]:
    """Report each finished node and warning; yield what speaks of errors, and whatever is not dbt's own log."""
    assert process.stdout is not None
    for line in process.stdout:
        try:
            event = json.loads(line)
            info, data = event["info"], event["data"]
        except (ValueError, KeyError, TypeError):
            yield line.strip()
            continue
        if info["level"] == "error":
            yield info["msg"].strip()
        if info["name"] == "JinjaLogWarning":
            on_warning(info["msg"].strip())
        if "index" in data and "total" in data and info["name"].startswith("Log") and info["name"].endswith("Result"):
            on_progress(DbtProgress(data["index"], data["total"], data.get("node_info", {}).get("node_name", "")))


def _get_results_file(settings: Settings) -> Path:
    return settings.dbt_target_dir / "run_results.json"


def delete_run_results(settings: Settings) -> None:
    """Remove what the dbt command before told of its nodes: one that does not start leaves it as it is."""
    _get_results_file(settings).unlink(missing_ok=True)


def _read_run_results(settings: Settings) -> list[dict[str, Any]]:
    try:
        results: list[dict[str, Any]] = json.loads(_get_results_file(settings).read_text(encoding="utf-8"))["results"]
    except (FileNotFoundError, ValueError):
        # dbt ended before it wrote it, or could not write all of it.
        return []
    return results


def _describe_result(result: dict[str, Any]) -> str:
    kind, _, name = result["unique_id"].split(".")[:3]
    hint = f" ({SEED_HINT})" if kind == "seed" else ""
    return f"{name}: {_shorten_message(result['message'] or '')}{hint}"


def _shorten_message(message: str) -> str:
    """The beginning of a message, without colours and line ends; the whole of it stands in dbt's log."""
    return shorten(re.sub(r"\x1b\[[0-9;]*m", "", message), width=400, placeholder=" ...")


def build_dbt_error(settings: Settings, command: str, messages: Sequence[str], log_dir: Path) -> RecomartError:
    """What to say of a dbt command that failed with these messages and logged to a folder."""
    failed = [
        result for result in _read_run_results(settings) if result["status"] in ("error", "fail", "runtime error")
    ]
    reasons = [_describe_result(result) for result in failed] or [_shorten_message(" ".join(messages)) or "no message"]
    said = " ".join([*(str(result["message"]) for result in failed), *messages])
    if busy := describe_lock_error(said, settings.database):
        return WarehouseBusyError(busy)
    if full := describe_disk_full_error(said, settings.warehouse):
        return DiskFullError(full)
    if memory := describe_memory_error(said):
        return RecomartError(f"dbt {command} failed: {memory}")
    if OUT_OF_SYNC_MESSAGE in said:
        return RecomartError(
            f"{settings.database}: dbt {command} failed: its tables have other columns than this version of RecoMart "
            "makes; `dbt build --full-refresh` in dbt_project/ makes them anew"
        )
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return RecomartError(f"dbt {command} failed: {'; '.join(reasons[:3])}{more}; see {log_dir}/dbt.log")


@contextmanager
def build_lock(settings: Settings) -> Iterator[None]:
    """Be the only one that builds; waits, as long as the settings say in all, for who builds and for who writes.

    dbt itself waits for a minute whatever they say, and of two that start at once one holds the warehouse until it has
    built.

    Raises:
        WarehouseBusyError: Another process still holds it.
    """
    end = time.monotonic() + settings.wait_seconds
    with exclusive_lock(settings.dbt_target_dir / "building.lock", "dbt build", settings.wait_seconds, LOG.warning):
        left = max(0.0, end - time.monotonic())
        connect(settings.model_copy(update={"wait_seconds": left})).close()
        yield
