"""Training runs: feeds without clean rows."""

from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration import training_run
from orchestration.feed_accounting import FeedStatus
from orchestration.training_run import train_model
from warehouse.database import open_writer
from warehouse.errors import RecomartError
from warehouse.settings import Settings


def make_status(feed: str, duplicates: int, quarantined: int, reasons: dict[str, int]) -> FeedStatus:
    loaded = duplicates + quarantined
    return FeedStatus(
        feed=feed,
        files=1,
        lines=loaded,
        loaded=loaded,
        rejected=0,
        clean=0,
        duplicates=duplicates,
        excluded=0,
        quarantined=quarantined,
        rejected_files=0,
        last_loaded_at=None,
        newest_row_at=None,
        reasons=reasons,
    )


def test_feeds_without_clean_row_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One error names all of them; unknown products are no reason beside one that all rows have."""
    statuses = [
        make_status("orders", 148, 57, {"bad_price": 57, "unknown_product": 57, "missing_product": 1}),
        make_status("clicks", 0, 2000, {"unknown_product": 2000}),
    ]
    settings = Settings(warehouse=tmp_path, sources=tmp_path / "shop.yml")
    with open_writer(settings):
        pass
    monkeypatch.setattr(training_run, "list_model_runs", lambda _: [])
    monkeypatch.setattr(training_run, "read_feed_status", lambda _: statuses)
    with pytest.raises(RecomartError) as raised:
        train_model(settings, TrainConfig())
    assert str(raised.value).startswith(
        "feed orders: none of 205 rows is clean: 148 duplicates, 57 quarantined for bad_price (57), "
        "missing_product (1); feed clicks: none of 2,000 rows is clean: 2,000 quarantined for unknown_product (2,000). "
        f"Correct the declaration in {tmp_path / 'shop.yml'} "
    )
