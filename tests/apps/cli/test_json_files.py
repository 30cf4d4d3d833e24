"""The option `--json FILE` of the benchmarks: paths that cannot be written, and tables before the file."""

from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from apps.cli.bench import BENCHMARKS
from apps.cli.commands import app
from apps.cli.json_files import write_at_end
from warehouse.errors import RecomartError

REQUIRED_ARGUMENTS = {
    "pipeline": ["--work-dir", "missing"],
    "stress": ["--work-dir", "missing"],
    "ranking-summary": ["missing.json"],
}


class Figures(BaseModel):
    seconds: float = 1.5


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", "it is a folder. Give the path of a file"),
        ("missing/figures.json", "does not exist. Create it first"),
        ("x" * 300, "File name too long. Give another file"),
        ("/proc/figures.json", "Give another file"),
    ],
)
def test_json_is_checked_first(
    benchmark: str, path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [*REQUIRED_ARGUMENTS.get(benchmark, []), "--json", path]
    result = CliRunner().invoke(app, ["bench", benchmark, *arguments])
    assert isinstance(result.exception, RecomartError)
    assert str(result.exception).startswith(f"cannot write --json {path}: ")
    assert message in str(result.exception)
    assert not [*tmp_path.iterdir()]


def test_json_check_changes_no_file(tmp_path: Path) -> None:
    """The command ends with another error after the check."""
    old, new, link = (tmp_path / name for name in ("old.json", "new.json", "link.json"))
    old.write_text("{}", encoding="utf-8")
    link.symlink_to(new)
    for file in (old, new, link):
        result = CliRunner().invoke(app, ["bench", "ranking-summary", "missing.json", "--json", str(file)])
        assert "cannot write" not in str(result.exception)
    assert old.read_text(encoding="utf-8") == "{}"
    assert link.is_symlink()
    assert not new.exists()


def test_json_is_written_after_block(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    with write_at_end(file, Figures()):
        assert not file.exists()
    assert file.read_text(encoding="utf-8") == '{\n  "seconds": 1.5\n}\n'


def test_json_is_written_after_error(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    with pytest.raises(BrokenPipeError), write_at_end(file, Figures()):
        raise BrokenPipeError
    assert file.exists()


def test_json_write_error_names_file(tmp_path: Path) -> None:
    with (
        pytest.raises(RecomartError, match=r"cannot write --json .*: Is a directory"),
        write_at_end(tmp_path, Figures()),
    ):
        pass
