"""Targets of the benchmarks in the terminal."""

import pytest

from apps.benchmarks.targets import Target
from apps.cli.bench_tables import exit_if_missed


def test_exit_names_missed_targets(capsys: pytest.CaptureFixture[str]) -> None:
    met, missed = (Target.evaluate(name, value, 2) for name, value in (("paint s", 1), ("switch s", 3)))
    of_other_size = Target.evaluate("search s", 9, 2, is_default_size=False)
    exit_if_missed("app", [met, of_other_size])
    with pytest.raises(SystemExit) as error:
        exit_if_missed("app", [met, missed, of_other_size])
    assert error.value.code == 1
    assert capsys.readouterr().err == "recomart: benchmark failed: app: not met: switch s\n"
