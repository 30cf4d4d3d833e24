"""The `recomart` command as a user runs it: a process of its own."""

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
    """Runs the command in a folder that is not the project's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str | int | Path) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is."""
        command = [str(Path(sys.executable).with_name("recomart")), *map(str, args)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def run_json(self, *args: str | int | Path) -> Any:
        """Run it with --json; it must succeed."""
        done = self(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def recomart(tmp_path_factory: pytest.TempPathFactory) -> RecomartCli:
    """The command line."""
    return RecomartCli(tmp_path_factory.mktemp("somewhere_else"))


@pytest.fixture(scope="session")
def pending_days_shop(tmp_path_factory: pytest.TempPathFactory) -> PendingDaysShop:
    """A shop before two more days are run, to be copied, and after."""
    return PendingDaysShop(tmp_path_factory.mktemp("two_days_later"))


def get_public_data_dir(name: str) -> Path:
    """Folder of a public data set; skips the test where it is not there."""
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the public data set {name} is not at ../shared/data")
    return folder
