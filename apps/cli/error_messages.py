"""One-line messages for the errors that a user can fix."""

import sys

import duckdb
from pydantic import ValidationError

from apps.cli import console
from models_ml.errors import ModelError
from warehouse.database import describe_memory_error
from warehouse.errors import RecomartError
from warehouse.validation_messages import describe_validation_error


def handle_error(error: Exception) -> None:
    """Print the message of an error that the user can fix and exit with status 1; raise any other error again.

    On Ctrl-C during a query, DuckDB raises a RuntimeError; the exit status is then 130.
    """
    match error:
        case RecomartError() | ModelError():
            console.exit_with_error(str(error))
        case ValidationError():
            console.exit_with_error(describe_validation_error(error))
        case OSError(filename=str() as path):
            console.exit_with_error(f"{path}: {error.strerror}. Use another path, or fix this one")
        case duckdb.Error():
            console.exit_with_error(describe_memory_error(str(error)) or _format_first_line(error))
        # An OSError without a file name.
        case OSError():
            console.exit_with_error(_format_first_line(error))
        case RuntimeError(__cause__=KeyboardInterrupt()):
            sys.exit(130)
        case _:
            raise error


def _format_first_line(error: Exception) -> str:
    """Return the type of the error and the first line of its text."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
