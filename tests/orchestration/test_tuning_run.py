"""Tests of the tuning run."""

import os

import pytest

from models_ml.config import TrainConfig
from models_ml.errors import ModelError
from orchestration.tuning_run import tune_config
from warehouse.errors import WarehouseBusyError
from warehouse.settings import Settings


def test_second_search_is_refused(demo_copy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One search at a time uses the journal of a version."""
    search_count = 0

    def tune_meanwhile(*_: object, **__: object) -> None:
        nonlocal search_count
        search_count += 1
        if search_count == 1:
            with pytest.raises(WarehouseBusyError, match=f"process {os.getpid()} .* runs another search for settings"):
                tune_config(demo_copy, TrainConfig(), seconds=1)
        raise ModelError("the search ends")

    monkeypatch.setattr("orchestration.tuning_run.tune", tune_meanwhile)
    with pytest.raises(ModelError, match="the search ends"):
        tune_config(demo_copy, TrainConfig(), seconds=1)
    assert search_count == 1
