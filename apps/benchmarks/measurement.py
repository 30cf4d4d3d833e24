"""Runs one contender in a separate process and measures its time and memory; also the properties of the machine."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

import psutil
from pydantic import BaseModel, ConfigDict

from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

SAMPLE_INTERVAL_SECONDS = 0.05


class ResourceUsage(BaseModel):
    """Time and memory of a contender."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    step_seconds: dict[str, float]
    """Seconds of each step."""

    seconds: float
    """Total seconds, including start and end of the process."""

    cpu_seconds: float
    """CPU seconds of the process and its finished child processes."""

    max_process_mib: int
    """Largest resident memory of a single process."""

    max_total_mib: int
    """Largest resident memory of all processes together."""


class _MemorySampler(threading.Thread):
    """Samples the resident memory of a process and its descendants until `stop` is called."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._done = threading.Event()
        self.max_process_bytes = 0
        self.max_total_bytes = 0

    def run(self) -> None:
        while not self._done.wait(SAMPLE_INTERVAL_SECONDS):
            sizes = [0]
            with suppress(psutil.Error):
                for process in (self._process, *self._process.children(recursive=True)):
                    with suppress(psutil.Error):
                        sizes.append(process.memory_info().rss)
            self.max_process_bytes, self.max_total_bytes = (
                max(self.max_process_bytes, *sizes),
                max(self.max_total_bytes, sum(sizes)),
            )

    def stop(self) -> None:
        """Stop sampling."""
        self._done.set()
        self.join()


def get_machine_info() -> dict[str, str | int | float]:
    """Return properties of the machine that affect the figures; the load shows whether it was busy."""
    machine: dict[str, str | int | float] = {
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": python_version(),
    }
    for package in ("duckdb", "dbt-core", "pandas", "pyarrow", "polars"):
        with suppress(PackageNotFoundError):
            machine[package] = version(package)
    return machine


def measure_contender(
    contender: str, settings: Settings, on_step: Callable[[str, float], None] = lambda *_: None
) -> ResourceUsage:
    """Run a module of `contenders` on the landing folder and the warehouse folder of the settings.

    `on_step` receives the name and the seconds of each finished step. The standard error of the process goes to
    contender.log in the warehouse folder.

    Raises:
        RecomartError: The contender failed or was killed.
    """
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    log = settings.warehouse / "contender.log"
    steps: dict[str, float] = {}
    start_seconds = time.perf_counter()
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "apps.benchmarks.contender_process", contender],
            cwd=PROJECT_ROOT,
            env=settings.build_environment() | {"POLARS_MAX_THREADS": str(settings.threads)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        sampler = _MemorySampler(process.pid)
        sampler.start()
        assert process.stdout is not None
        try:
            for line in process.stdout:
                step, seconds = json.loads(line)
                steps[step] = seconds
                on_step(step, seconds)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            sampler.stop()
            process.kill()
    if process.returncode:
        raise RecomartError(f"{contender}: {_describe_exit(process.returncode, log)}")
    return ResourceUsage(
        step_seconds=steps,
        seconds=time.perf_counter() - start_seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        max_process_mib=sampler.max_process_bytes >> 20,
        max_total_mib=sampler.max_total_bytes >> 20,
    )


def _describe_exit(exit_code: int, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if exit_code < 0:
        return f"killed by signal {-exit_code}, probably because memory ran out. See {log}"
    return f"{lines[-1] if lines else f'exit status {exit_code}'}. See {log}"
