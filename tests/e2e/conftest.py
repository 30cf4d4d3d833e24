"""Fixtures: the `recomart` command as a process, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pending_days_shop import PendingDaysShop
from warehouse.settings import PROJECT_ROOT

SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"


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


@pytest.fixture(scope="session")
def recomart(tmp_path_factory: pytest.TempPathFactory) -> RecomartCli:
    """The command line."""
    return RecomartCli(tmp_path_factory.mktemp("somewhere_else"))


@pytest.fixture(scope="session")
def pending_days_shop(tmp_path_factory: pytest.TempPathFactory) -> PendingDaysShop:
    """A shop in two states: before a run on two more days, to be copied, and after it."""
    return PendingDaysShop(tmp_path_factory.mktemp("two_days_later"))


def get_public_data_dir(name: str) -> Path:
    """Return the folder of a public data set; skip the test when it is missing."""
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the public data set {name} is not at ../shared/data")
    return folder
