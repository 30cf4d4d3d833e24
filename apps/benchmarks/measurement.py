"""Runs one contender in a process of its own and measures what that took."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

SAMPLE_INTERVAL_SECONDS = 0.05


class ResourceUsage(BaseModel):
    """What a contender took from the machine."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    step_seconds: dict[str, float]
    """Seconds of each step."""

    seconds: float
    """Seconds in all, start and end of the process included."""

    cpu_seconds: float
    """Of the process and the processes that it started and waited for."""

    max_process_mib: int
    """Largest resident memory of one process."""

    max_total_mib: int
    """Largest resident memory of all its processes together."""


class _MemorySampler(threading.Thread):
    """Looks at the resident memory of a process and its descendants until the process is gone."""

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
        """Look no longer."""
        self._done.set()
        self.join()


def measure_contender(
    contender: str, settings: Settings, on_step: Callable[[str, float], None] = lambda *_: None
) -> ResourceUsage:
    """Run a module of `contenders` on the landing folder and the warehouse folder of the settings.

    `on_step` is told each step and its seconds when it is done. What the process writes to standard error stands in
    the warehouse folder, in contender.log.

    Raises:
        RecomartError: It failed or was killed.
    """
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    log = settings.warehouse / "contender.log"
    steps: dict[str, float] = {}
    started = time.perf_counter()
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
        watch = _MemorySampler(process.pid)
        watch.start()
        assert process.stdout is not None
        try:
            for line in process.stdout:
                step, seconds = json.loads(line)
                steps[step] = seconds
                on_step(step, seconds)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watch.stop()
            process.kill()
    if process.returncode:
        raise RecomartError(f"{contender}: {_describe_exit(process.returncode, log)}")
    return ResourceUsage(
        step_seconds=steps,
        seconds=time.perf_counter() - started,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        max_process_mib=watch.max_process_bytes >> 20,
        max_total_mib=watch.max_total_bytes >> 20,
    )


def _describe_exit(exit_code: int, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if exit_code < 0:
        return f"killed by signal {-exit_code}, which is what happens when memory runs out; see {log}"
    return f"{lines[-1] if lines else f'ended with status {exit_code}'}; see {log}"
