"""The settings that trainings go by: the defaults, or what was adopted for the warehouse."""

from pathlib import Path

from models_ml.config import TrainConfig
from orchestration.declared import read_declared
from warehouse.settings import Settings


def train_config(settings: Settings, file: Path | None = None) -> TrainConfig:
    """Return the settings in `file`, or those adopted for the warehouse, or the defaults; what a file omits is default.

    Raises:
        RecomartError: The file cannot be read, or a setting in it is wrong; the message names both.
    """
    file = file or settings.train_config
    if file == settings.train_config and not file.is_file():
        return TrainConfig()
    return read_declared(TrainConfig, file, "models_ml/config.py")


def write_train_config(config: TrainConfig, file: Path) -> None:
    """Write the settings that are not the defaults, whole or not at all."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.write_text(config.model_dump_json(indent=2, exclude_defaults=True) + "\n", encoding="utf-8")
    unfinished.replace(file)
