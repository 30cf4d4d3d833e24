"""A shop whose model serves when two more days land, and how it looks after a run that nobody disturbed."""

import shutil
from pathlib import Path

from models_ml.config import TrainConfig
from models_ml.inference.artifact import read_artifact
from orchestration.model_registry import model_runs, serving_run
from orchestration.pipeline import PipelineListener, run_pipeline
from orchestration.training_run import DATASETS_LOCK
from tests.kills import TOLD_BY_THE_RUN, TOLD_BY_THE_TRAINING, differences
from warehouse.demo.config import DemoConfig
from warehouse.demo.generate import generate
from warehouse.publishing.live_copy import POINTER, current
from warehouse.publishing.publisher import LOCK
from warehouse.settings import Settings

SHOP = DemoConfig(customers=400, products=120, days=20, events=12_000, dirt=0.03)
LAST_DAYS = ("2026-01-19", "2026-01-20")

COMPARED = ("raw", "seeds", "staging", "intermediate", "marts", "ml")


class TwoDaysLater:
    """A shop whose model serves when two more days land, and how a run that nobody disturbs goes then."""

    def __init__(self, folder: Path) -> None:
        """Run it on the first days, and on a copy on all."""
        self.before = Settings(warehouse=folder / "before", settle_seconds=0)
        all_days = Settings(warehouse=folder / "all_days")
        generate(SHOP, all_days.landing_dir, all_days.demo_truth_dir)
        last = [path for path in all_days.landing_dir.rglob("*") if any(day in str(path) for day in LAST_DAYS)]
        assert last
        shutil.copytree(all_days.warehouse, self.before.warehouse)
        for path in last:
            (self.before.landing_dir / path.relative_to(all_days.landing_dir)).unlink()
        run_pipeline(self.before, TrainConfig(), PipelineListener())
        self.calm = self.copy(folder / "calm")
        for settings in (self.calm, self.before):
            shutil.copytree(all_days.landing_dir, settings.landing_dir, dirs_exist_ok=True)
        self.seconds = run_pipeline(self.calm, TrainConfig(), PipelineListener()).seconds

    def copy(self, warehouse: Path) -> Settings:
        """A copy of the shop as it is before the run."""
        shutil.copytree(self.before.warehouse, warehouse)
        return Settings(warehouse=warehouse, settle_seconds=0)


def what_differs(calm: Settings, other: Settings) -> dict[str, int]:
    """Tables of two warehouses, and of what they published, that differ, and how many rows; and whether models do."""
    told = (*TOLD_BY_THE_RUN, *TOLD_BY_THE_TRAINING)
    return {
        **differences(calm.database, other.database, COMPARED, told),
        **differences(published(calm), published(other), ["main"], told),
        **({} if serving_model(calm) == serving_model(other) else {"the model": 1}),
    }


def published(settings: Settings) -> Path:
    """The database that is live."""
    return settings.serving_dir / current(settings).file


def serving_model(settings: Settings) -> dict[str, str]:
    """The checksums of the model that serves: of its factors and of all it knows."""
    run = serving_run(model_runs(settings))
    assert run is not None
    return read_artifact(settings.warehouse / run.artifact_path)[0].files


def unexpected(settings: Settings) -> list[str]:
    """What is in the warehouse's folders and is none of what a run leaves."""
    runs = model_runs(settings)
    copies = sorted(path.name for path in settings.serving_dir.glob("*.duckdb"))
    assert copies[-1] == current(settings).file
    expected = {
        settings.warehouse: {
            *("recomart.duckdb", "landing", "demo_truth", "datasets", "models", "serving", "target", "logs")
        },
        settings.models_dir: {run.run_id for run in runs},
        settings.datasets_dir: {DATASETS_LOCK, *(run.dataset_hash for run in runs)},
        settings.serving_dir: {LOCK, POINTER, *copies[-settings.serving_copies :]},
    }
    return [str(path) for folder, names in expected.items() for path in folder.iterdir() if path.name not in names]
