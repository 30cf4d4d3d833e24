"""TODO."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models_ml.config import TrainConfig
from orchestration.policy import ModelPolicy
from warehouse.errors import RecomartError
from warehouse.settings import Settings

SettingsModel = TypeVar("SettingsModel", bound=BaseModel)


def read_json_settings(model: type[SettingsModel], file: Path, docs_page: str) -> SettingsModel:
    """Return what the file sets; what it omits is default.

    Raises:
        RecomartError: The file cannot be read, or a setting in it is wrong; the message names both, and where every
            setting is described.
    """
    try:
        return model.model_validate_json(file.read_bytes())
    except OSError as error:
        raise RecomartError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise RecomartError(f"{file}: {where}: {problem['msg']}; every setting: {docs_page}") from error


def read_train_config(settings: Settings, file: Path | None = None) -> TrainConfig:
    """Return the settings in `file`, or those adopted for the warehouse, or the defaults; what a file omits is default.

    Raises:
        RecomartError: The file cannot be read, or a setting in it is wrong; the message names both.
    """
    file = file or settings.train_config_file
    if file == settings.train_config_file and not file.is_file():
        return TrainConfig()
    return read_json_settings(TrainConfig, file, "models_ml/config.py")


def write_train_config(config: TrainConfig, file: Path) -> None:
    """Write the settings that are not the defaults, whole or not at all."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.write_text(config.model_dump_json(indent=2, exclude_defaults=True) + "\n", encoding="utf-8")
    unfinished.replace(file)


def read_policy(settings: Settings) -> ModelPolicy:
    """Return the warehouse's policy.

    Raises:
        RecomartError: The file cannot be read, or a setting in it is wrong; the message names both.
    """
    if not settings.policy_file.is_file():
        return ModelPolicy()
    return read_json_settings(ModelPolicy, settings.policy_file, "docs/operations/retraining.md")
