"""The `recomart` command for tests of benchmarks."""

from pathlib import Path

import pytest

from tests.e2e.conftest import RecomartCli


@pytest.fixture
def recomart(tmp_path: Path) -> RecomartCli:
    """The command line, run in a temporary folder."""
    return RecomartCli(tmp_path)
