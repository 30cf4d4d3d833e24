"""Settings from environment variables."""

import pytest

from warehouse.settings import PROJECT_ROOT, Settings


def test_empty_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMART_WAREHOUSE", "")
    assert Settings().warehouse == PROJECT_ROOT / "warehouse"
