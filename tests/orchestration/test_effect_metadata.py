"""Dagster's metadata of the effect marts."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration.assets.effect_metadata import EXPERIMENTS_KEY, build_effect_metadata
from tests.sample_effect import create_effect_marts
from warehouse.database import open_writer
from warehouse.settings import Settings


def test_metadata_has_verdicts(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings) as connection:
        create_effect_marts(connection)
    metadata = build_effect_metadata(dg.build_asset_context(), settings, [EXPERIMENTS_KEY])[EXPERIMENTS_KEY]
    assert metadata["experiments"] == 2
    assert metadata["verdicts"].text.startswith("lists: Arm personal, Conversion: higher than in the control. 6.00%")
    assert build_effect_metadata(dg.build_asset_context(), settings, []) == {}


def test_missing_marts_give_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings):
        pass
    assert build_effect_metadata(dg.build_asset_context(), settings, [EXPERIMENTS_KEY]) == {}
    assert "the effect marts are not built" in capfd.readouterr().err
