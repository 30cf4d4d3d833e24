"""The entry point of the `recomart` command."""

import sys

from apps.cli.commands import app


def main() -> None:
    """Run the command; print an error that the user can fix on one line and exit with status 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # Imported here, because the module imports DuckDB, which `--help` does not need.
        from apps.cli.error_messages import handle_error

        handle_error(error)
