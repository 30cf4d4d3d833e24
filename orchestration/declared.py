"""JSON files in the warehouse folder that set what would otherwise be default."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from warehouse.errors import RecomartError

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
