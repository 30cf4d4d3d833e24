"""`recomart profile` as a user types it."""

from pathlib import Path

from apps.profile.sections import CHAPTERS
from tests.e2e.conftest import RecomartCli
from tests.e2e.test_error_messages import assert_one_line_error
from warehouse.database import open_writer
from warehouse.settings import Settings


def test_the_command_says_where_the_page_is_and_what_it_says(
    demo_warehouse: Settings, recomart: RecomartCli, tmp_path: Path
) -> None:
    output = tmp_path / "profile.html"
    answer = recomart.run_json("profile", "--output", output, "--warehouse", demo_warehouse.warehouse)
    assert answer["path"] == str(output)
    assert list(answer["sentences"]) == [section.title for sections in CHAPTERS.values() for section in sections]
    assert list(tmp_path.iterdir()) == [output]


def test_a_warehouse_without_marts_says_how_to_build_them(recomart: RecomartCli, tmp_path: Path) -> None:
    assert_one_line_error(recomart("profile", "--warehouse", tmp_path), "there is no warehouse yet")
    with open_writer(Settings(warehouse=tmp_path)):
        pass
    assert_one_line_error(recomart("profile", "--warehouse", tmp_path), "Build the marts with `recomart run`")


def test_a_folder_is_no_file_to_write(recomart: RecomartCli, tmp_path: Path) -> None:
    done = recomart("profile", "--output", ".", "--warehouse", tmp_path)
    assert_one_line_error(done, ". is a folder. Give the path of a file with --output")
