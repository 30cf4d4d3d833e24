"""The `recomart` command, as a process or within the test's process."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from apps.cli.entry_point import main


class RecomartCli:
    """Runs the command in a folder outside the project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str | int | Path) -> subprocess.CompletedProcess[str]:
        """Run the command; it may fail."""
        command = [str(Path(sys.executable).with_name("recomart")), *map(str, args)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def run_json(self, *args: str | int | Path) -> Any:
        """Run the command with --json and return the parsed output; it must succeed."""
        result = self(*args, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


class InProcessCli(RecomartCli):
    """Runs the command in the test's process, which has imported the packages: their import takes 1 to 2 s."""

    def __call__(self, *args: str | int | Path) -> subprocess.CompletedProcess[str]:
        """Run the command; it may fail."""
        command = ["recomart", *map(str, args)]
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace")]
        status: str | int | None = None
        with (
            patch.object(sys, "argv", command),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(streams[0]),
            contextlib.redirect_stderr(streams[1]),
        ):
            try:
                main()
            except SystemExit as end:
                status = end.code
        for stream in streams:
            stream.seek(0)
        stdout, stderr = (stream.read() for stream in streams)
        return subprocess.CompletedProcess(command, int(status or 0), stdout, stderr)
