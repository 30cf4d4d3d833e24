"""The command `recomart profile`."""

from pathlib import Path

import pytest

from apps.profile.sections import CHAPTERS
from tests.e2e.test_error_messages import assert_one_line_error
from tests.recomart_cli import RecomartCli
from warehouse.database import open_writer
from warehouse.settings import Settings


def test_profile_writes_page(demo_warehouse: Settings, cli: RecomartCli, tmp_path: Path) -> None:
    output = tmp_path / "profile.html"
    payload = cli.run_json("profile", "--output", output, "--warehouse", demo_warehouse.warehouse)
    assert payload["path"] == str(output)
    assert list(payload["sentences"]) == [section.title for sections in CHAPTERS.values() for section in sections]
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.slow
def test_profile_without_marts_gives_hint(cli: RecomartCli, tmp_path: Path) -> None:
    assert_one_line_error(cli("profile", "--warehouse", tmp_path), "the warehouse does not exist")
    with open_writer(Settings(warehouse=tmp_path)):
        pass
    assert_one_line_error(cli("profile", "--warehouse", tmp_path), "Build the marts with `recomart run`")


def test_profile_rejects_folder_as_output(cli: RecomartCli, tmp_path: Path) -> None:
    result = cli("profile", "--output", ".", "--warehouse", tmp_path)
    assert_one_line_error(result, ". is a folder. Give the path of a file with --output")
