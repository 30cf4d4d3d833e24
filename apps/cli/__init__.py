"""The `recomart` command: a module for each group of commands."""

import sys

import duckdb
from pydantic import ValidationError

from apps.cli import bench, benchmark, console, data, datasets, models, pipeline, recommendations
from apps.cli.options import app
from models_ml.errors import ModelError
from warehouse.database import memory_message
from warehouse.errors import RecomartError
from warehouse.settings import Settings

__all__ = ["app", "bench", "benchmark", "data", "datasets", "main", "model", "offers", "whole"]


def main() -> None:
    """Run the command; what a user can mend ends in one line on standard error and exit status 1."""
    try:
        app()
    except (RecomartError, ModelError) as error:
        console.fail(str(error))
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        where = f"RECOMART_{name.upper()}" if error.title == Settings.__name__ else f"{error.title}: {name}"
        console.fail(f"{where}: {problem['msg'].removeprefix('Value error, ')}")
    except OSError as error:
        # A folder that may not be written, a file that may not be read: the words are the system's.
        console.fail(
            f"{error.filename}: {error.strerror}; name another, or mend this one" if error.filename else _said(error)
        )
    except duckdb.Error as error:
        console.fail(memory_message(str(error)) or _said(error))
    except RuntimeError as error:
        # What DuckDB makes of Ctrl-C while it is at a query.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
