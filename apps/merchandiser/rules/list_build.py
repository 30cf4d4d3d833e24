"""The build of the lists by the rules: a process of `recomart rules apply`, which all sessions of the app see."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any, BinaryIO

import streamlit as st

from warehouse.formatting import make_printable
from warehouse.settings import PROJECT_ROOT, Settings

COMMAND = (sys.executable, "-c", "from apps.cli.entry_point import main; main()", "rules", "apply", "--json-lines")


@dataclass(frozen=True)
class BuildStatus:
    """What is known about the newest build."""

    user: str
    is_running: bool
    seconds: float
    done_share: float
    """Share of the built tables and tests, from 0 to 1."""
    note: str
    """The newest message of the process, such as which other process it waits for; its error after a failure."""
    has_failed: bool
    warnings: list[str]


class ListBuild:
    """Starts the process, and reads what it writes. One at a time runs; the process outlives a page and its session."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._user = ""
        self._started_at = 0.0
        self._ended_at: float | None = None
        self._output: BinaryIO | None = None
        self._errors: BinaryIO | None = None

    def start(self, user: str) -> bool:
        """Start a build; return False if one runs already."""
        with self._lock:
            if self._process is not None and self._ended_at is None:
                return False
            for file in (self._output, self._errors):
                if file is not None:
                    file.close()
            # They stay open after the process, for pages that are opened later.
            self._output, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
            self._user, self._started_at, self._ended_at = user, time.monotonic(), None
            self._process = subprocess.Popen(
                COMMAND,
                cwd=PROJECT_ROOT,
                env=self._settings.build_environment(),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._errors,
                # Ctrl-C in the app's terminal ends the app, not the build.
                start_new_session=True,
            )
            threading.Thread(target=self._wait, args=(self._process,), daemon=True).start()
            return True

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        with self._lock:
            if process is self._process:
                self._ended_at = time.monotonic()

    def read_status(self) -> BuildStatus | None:
        """Return the state of the newest build; None before the first one."""
        with self._lock:
            if self._process is None:
                return None
            is_running = self._ended_at is None
            newest = self._read_newest_object()
            messages = _read_lines(self._errors)
            has_failed = not is_running and self._process.returncode != 0
            if has_failed and not messages:
                messages = [f"The process ended with status {self._process.returncode}. Build the lists again"]
            is_done = not is_running or "published_at" in newest
            share = newest.get("done_count", 0) / max(1, newest.get("total_count", 0))
            return BuildStatus(
                user=self._user,
                is_running=is_running,
                seconds=(self._ended_at or time.monotonic()) - self._started_at,
                done_share=1.0 if is_done else share,
                note=make_printable(messages[-1]) if messages else "",
                has_failed=has_failed,
                warnings=newest.get("warnings", []),
            )

    def _read_newest_object(self) -> dict[str, Any]:
        # Other lines are of libraries.
        lines = [line for line in _read_lines(self._output) if line.startswith("{")]
        return dict(json.loads(lines[-1])) if lines else {}


# An entry for each warehouse; an app has one.
@st.cache_resource(show_spinner=False, hash_funcs={Settings: lambda settings: str(settings.warehouse)})
def get_list_build(settings: Settings) -> ListBuild:
    """Return the build of the warehouse's lists, the same one in all sessions of the app."""
    return ListBuild(settings)


def _read_lines(file: BinaryIO | None) -> list[str]:
    """Return the complete lines of a file that another process writes."""
    assert file is not None
    # The processes share the offset of the file, so it must not be moved.
    content = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
    return content[: content.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()
