"""A shop whose model serves when two more days land, and how it looks after a run that nobody disturbed."""

import shutil
from pathlib import Path

from models_ml.config import TrainConfig
from models_ml.inference.artifact import read_artifact
from orchestration.model_registry import find_serving_run, list_model_runs
from orchestration.pipeline import PipelineListener, run_pipeline
from orchestration.training_run import DATASETS_LOCK
from tests.crash_recovery import RUN_DEPENDENT_COLUMNS, TRAINING_DEPENDENT_COLUMNS, find_differences
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import generate_shop
from warehouse.publishing.live_copy import POINTER_FILE, read_pointer
from warehouse.publishing.publisher import LOCK_FILE
from warehouse.settings import Settings

SHOP_CONFIG = DemoConfig(customers=400, products=120, days=20, events=12_000, dirt=0.03)
LAST_DAYS = ("2026-01-19", "2026-01-20")

COMPARED_SCHEMAS = ("raw", "seeds", "staging", "intermediate", "marts", "ml")


class PendingDaysShop:
    """A shop whose model serves when two more days land, and how a run that nobody disturbs goes then."""

    def __init__(self, folder: Path) -> None:
        """Run it on the first days, and on a copy on all."""
        self.before = Settings(warehouse=folder / "before", settle_seconds=0)
        all_days = Settings(warehouse=folder / "all_days")
        generate_shop(SHOP_CONFIG, all_days.landing_dir, all_days.demo_truth_dir)
        last = [path for path in all_days.landing_dir.rglob("*") if any(day in str(path) for day in LAST_DAYS)]
        assert last
        shutil.copytree(all_days.warehouse, self.before.warehouse)
        for path in last:
            (self.before.landing_dir / path.relative_to(all_days.landing_dir)).unlink()
        run_pipeline(self.before, TrainConfig(), PipelineListener())
        self.undisturbed = self.copy_before(folder / "undisturbed")
        for settings in (self.undisturbed, self.before):
            shutil.copytree(all_days.landing_dir, settings.landing_dir, dirs_exist_ok=True)
        self.seconds = run_pipeline(self.undisturbed, TrainConfig(), PipelineListener()).seconds

    def copy_before(self, warehouse: Path) -> Settings:
        """A copy of the shop as it is before the run."""
        shutil.copytree(self.before.warehouse, warehouse)
        return Settings(warehouse=warehouse, settle_seconds=0)


def find_differences_between(expected: Settings, actual: Settings) -> dict[str, int]:
    """Tables of two warehouses, and of what they published, that differ, and how many rows; and whether models do."""
    told = (*RUN_DEPENDENT_COLUMNS, *TRAINING_DEPENDENT_COLUMNS)
    return {
        **find_differences(expected.database, actual.database, COMPARED_SCHEMAS, told),
        **find_differences(get_published_database(expected), get_published_database(actual), ["main"], told),
        **({} if read_serving_checksums(expected) == read_serving_checksums(actual) else {"the model": 1}),
    }


def get_published_database(settings: Settings) -> Path:
    """The database that is live."""
    return settings.serving_dir / read_pointer(settings).file


def read_serving_checksums(settings: Settings) -> dict[str, str]:
    """The checksums of the model that serves: of its factors and of all it knows."""
    run = find_serving_run(list_model_runs(settings))
    assert run is not None
    return read_artifact(settings.warehouse / run.artifact_path)[0].files


def find_unexpected_files(settings: Settings) -> list[str]:
    """What is in the warehouse's folders and is none of what a run leaves."""
    runs = list_model_runs(settings)
    copies = sorted(path.name for path in settings.serving_dir.glob("*.duckdb"))
    assert copies[-1] == read_pointer(settings).file
    expected = {
        settings.warehouse: {
            *("recomart.duckdb", "landing", "demo_truth", "datasets", "models", "serving", "target", "logs")
        },
        settings.models_dir: {run.run_id for run in runs},
        settings.datasets_dir: {DATASETS_LOCK, *(run.dataset_hash for run in runs)},
        settings.serving_dir: {LOCK_FILE, POINTER_FILE, *copies[-settings.serving_copies :]},
    }
    return [str(path) for folder, names in expected.items() for path in folder.iterdir() if path.name not in names]
