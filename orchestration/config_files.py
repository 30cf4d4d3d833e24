"""TODO."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models_ml.config import TrainConfig
from orchestration.policy import Policy
from warehouse.errors import RecomartError
from warehouse.settings import Settings

Declared = TypeVar("Declared", bound=BaseModel)


def read_declared(kind: type[Declared], file: Path, described_in: str) -> Declared:
    """Return what the file sets; what it omits is default.

    Raises:
        RecomartError: The file cannot be read, or a setting in it is wrong; the message names both, and where every
            setting is described.
    """
    try:
        return kind.model_validate_json(file.read_bytes())
    except OSError as error:
        raise RecomartError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise RecomartError(f"{file}: {where}: {problem['msg']}; every setting: {described_in}") from error


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


def policy(settings: Settings) -> Policy:
    """Return the warehouse's policy.

    Raises:
        RecomartError: The file cannot be read, or a setting in it is wrong; the message names both.
    """
    if not settings.policy.is_file():
        return Policy()
    return read_declared(Policy, settings.policy, "docs/operations.md")
