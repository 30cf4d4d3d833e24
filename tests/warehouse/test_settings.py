"""Settings come from the environment."""

import pytest

from warehouse.settings import PROJECT_ROOT, Settings


def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMART_WAREHOUSE", "")
    assert Settings().warehouse == PROJECT_ROOT / "warehouse"
