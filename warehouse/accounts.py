"""The account of the operating system under which a process runs."""

import getpass


def get_account_name() -> str | None:
    """Return the name of the process's account; None if it has none, as in some containers."""
    try:
        return getpass.getuser()
    # A KeyError until Python 3.12, an OSError since 3.13.
    except (KeyError, OSError):
        return None
