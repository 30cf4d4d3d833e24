"""A shop with a serving model and two days of files to load, and the result of an undisturbed run on them."""

import shutil
from pathlib import Path

from models_ml.config import TrainConfig
from models_ml.inference.artifact import read_artifact
from orchestration.model_registry import find_serving_run, list_model_runs
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.training_run import DATASETS_LOCK
from tests.crash_recovery import RUN_DEPENDENT_COLUMNS, TRAINING_DEPENDENT_COLUMNS, count_differences
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import generate_shop
from warehouse.erasure.erasure_lock import LOCK_FILE as ERASURE_LOCK
from warehouse.publishing.live_copy import POINTER_FILE, read_pointer
from warehouse.publishing.publisher import LOCK_FILE
from warehouse.settings import Settings

SHOP_CONFIG = DemoConfig(customers=400, products=120, days=20, events=12_000, dirt=0.03)
LAST_DAYS = ("2026-01-19", "2026-01-20")

COMPARED_SCHEMAS = ("raw", "seeds", "staging", "intermediate", "marts", "ml")


class PendingDaysShop:
    """A shop with a serving model and two days of files to load, and the result of an undisturbed run on them."""

    def __init__(self, folder: Path) -> None:
        """Run the pipeline on the first days, and on a copy of the shop also on the last days."""
        self.pending_settings = Settings(warehouse=folder / "before", settle_seconds=0)
        all_days = Settings(warehouse=folder / "all_days")
        generate_shop(SHOP_CONFIG, all_days.landing_dir, all_days.demo_truth_dir)
        last_files = [path for path in all_days.landing_dir.rglob("*") if any(day in str(path) for day in LAST_DAYS)]
        assert last_files
        shutil.copytree(all_days.warehouse, self.pending_settings.warehouse)
        for path in last_files:
            (self.pending_settings.landing_dir / path.relative_to(all_days.landing_dir)).unlink()
        run_pipeline(self.pending_settings, TrainConfig(), PipelineListener())
        self.undisturbed_settings = self.copy_pending(folder / "undisturbed")
        for settings in (self.undisturbed_settings, self.pending_settings):
            shutil.copytree(all_days.landing_dir, settings.landing_dir, dirs_exist_ok=True)
        self.seconds = run_pipeline(self.undisturbed_settings, TrainConfig(), PipelineListener()).seconds

    def copy_pending(self, warehouse: Path) -> Settings:
        """Copy the shop in its state before the run; return the copy's settings."""
        shutil.copytree(self.pending_settings.warehouse, warehouse)
        return Settings(warehouse=warehouse, settle_seconds=0)


def count_differences_between(expected: Settings, actual: Settings) -> dict[str, int]:
    """Return the tables of two warehouses and of their published copies that differ, with the number of rows.

    The entry "the model" is present when the serving models differ.
    """
    excluded = (*RUN_DEPENDENT_COLUMNS, *TRAINING_DEPENDENT_COLUMNS)
    return {
        **count_differences(expected.database, actual.database, COMPARED_SCHEMAS, excluded),
        **count_differences(get_published_database(expected), get_published_database(actual), ["main"], excluded),
        **({} if read_serving_checksums(expected) == read_serving_checksums(actual) else {"the model": 1}),
    }


def get_published_database(settings: Settings) -> Path:
    """Return the file of the live published copy."""
    return settings.serving_dir / read_pointer(settings).file


def read_serving_checksums(settings: Settings) -> dict[str, str]:
    """Return the checksums of the files of the serving model's artifact."""
    run = find_serving_run(list_model_runs(settings))
    assert run is not None
    return read_artifact(settings.warehouse / run.artifact_path)[0].files


def find_unexpected_files(settings: Settings) -> list[str]:
    """Return the files in the warehouse's folders that a finished run does not leave there."""
    runs = list_model_runs(settings)
    copies = sorted(path.name for path in settings.serving_dir.glob("*.duckdb"))
    assert copies[-1] == read_pointer(settings).file
    expected = {
        settings.warehouse: {
            *("recomart.duckdb", "landing", "demo_truth", "datasets", "models", "serving", "target", "logs"),
            settings.run_state_file.name,
            *(settings.audiences_file.name, settings.audiences_file.with_suffix(".lock").name),
            # dbt creates an empty rules store.
            *(settings.rules_file.name, settings.rules_file.with_suffix(".lock").name),
            ERASURE_LOCK,
        },
        settings.models_dir: {run.run_id for run in runs},
        settings.datasets_dir: {DATASETS_LOCK, *(run.dataset_hash for run in runs)},
        settings.serving_dir: {LOCK_FILE, POINTER_FILE, copies[0], *copies[-settings.serving_copies :]},
    }
    return [str(path) for folder, names in expected.items() for path in folder.iterdir() if path.name not in names]
