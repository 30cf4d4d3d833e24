"""Settings files of a warehouse: training settings and model policy, read and checked from JSON."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models_ml.config import GatePolicy, TrainConfig
from orchestration.policy import ModelPolicy
from warehouse.atomic_files import write_text_atomically
from warehouse.errors import RecomartError
from warehouse.regular_files import read_regular_file
from warehouse.settings import Settings
from warehouse.validation_messages import locate_problem

SettingsModel = TypeVar("SettingsModel", bound=BaseModel)


def read_json_settings(model: type[SettingsModel], file: Path, docs_page: str) -> SettingsModel:
    """Return the settings of a JSON file; settings that the file omits have their defaults.

    Raises:
        RecomartError: The file cannot be read, or a setting is wrong. The message names both, and the page that
            describes every setting.
    """
    try:
        return model.model_validate_json(read_regular_file(file))
    except OSError as error:
        raise RecomartError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        setting_path, problem = locate_problem(error.errors()[0], model)
        raise RecomartError(
            f"{file}: {setting_path + ': ' if setting_path else ''}{problem}. {docs_page} describes every setting"
        ) from error


def read_train_config(settings: Settings, file: Path | None = None) -> TrainConfig:
    """Return the training settings of `file`, or those adopted for the warehouse, or the defaults.

    Raises:
        RecomartError: The file cannot be read, or a setting is wrong. The message names both.
    """
    file = file or settings.train_config_file
    if file == settings.train_config_file and not file.exists():
        return TrainConfig()
    return read_json_settings(TrainConfig, file, "models_ml/config.py")


def write_train_config(config: TrainConfig, file: Path) -> None:
    """Write the settings that differ from the defaults; the file appears by an atomic rename."""
    write_text_atomically(file, config.model_dump_json(indent=2, exclude_defaults=True) + "\n")


def read_policy(settings: Settings) -> ModelPolicy:
    """Return the warehouse's model policy, or the default policy when there is no file.

    Raises:
        RecomartError: The file cannot be read, or a setting is wrong. The message names both.
    """
    if not settings.policy_file.exists():
        return ModelPolicy()
    return read_json_settings(ModelPolicy, settings.policy_file, "docs/operations/retraining.md")


def read_gate_policy(settings: Settings, config: TrainConfig) -> GatePolicy:
    """Return the gates of the policy after checking that the training measures their metrics.

    Without those metrics every model would pass.

    Raises:
        RecomartError: The policy is wrong, or its k is not among the k values that the training measures.
    """
    gates = read_policy(settings).gates
    if gates.k not in config.k_values:
        k_values = ", ".join(map(str, config.k_values))
        raise RecomartError(
            f"{settings.policy_file}: gates.k: the training does not measure lists of {gates.k}. Set one of its "
            f"k_values ({k_values}), or add {gates.k} to k_values in {settings.train_config_file}"
        )
    return gates
