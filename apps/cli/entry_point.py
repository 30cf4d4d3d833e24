"""The entry point of the `recomart` command."""

import importlib
import sys

from apps.cli.commands import app


def main() -> None:
    """Run the command; an error that the user can fix ends as one line on standard error with exit status 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # The module of error messages imports DuckDB and the models' errors, which `--help` does not need.
        importlib.import_module("apps.cli.error_messages").exit_with_message(error)
