"""Who holds what somebody waits for, in words."""

from contextlib import suppress
from datetime import UTC, datetime

import psutil


def describe_process(process_id: int) -> str:
    """A process by its number, its command and the instant that it started at, as far as it still runs."""
    described = f"process {process_id}"
    with suppress(psutil.Error):
        process = psutil.Process(process_id)
        since = datetime.fromtimestamp(process.create_time(), UTC)
        command = " ".join(" ".join(process.cmdline()).split())
        described += f" ({command[:80]}, running since {since:%Y-%m-%d %H:%M:%S} UTC)"
    return described
