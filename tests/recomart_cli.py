"""The `recomart` command as a process, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


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
