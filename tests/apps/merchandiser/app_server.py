"""The app as a process, as `recomart app` starts it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

from tests.free_port import find_free_port
from warehouse.settings import Settings

TIMEOUT_SECONDS = 30


@contextmanager
def run_app(
    settings: Settings, home: Path, port: int | None = None, log_file: Path | None = None, **variables: str
) -> Iterator[str]:
    """Run the app with a home folder, which can have secrets, and variables; yield its address.

    The app's output goes into the log file, if there is one.
    """
    port = port or find_free_port()
    environment = {**os.environ, **settings.build_environment(), "HOME": str(home), "RECOMART_APP_PORT": str(port)}
    with ExitStack() as stack:
        output = None if log_file is None else stack.enter_context(log_file.open("wb"))
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("recomart")), "app"],
            cwd=home,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    url = f"http://localhost:{port}"
    try:
        _wait_until_healthy(f"{url}/_stcore/health", process)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT_SECONDS)
        finally:
            process.kill()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        assert process.poll() is None, "the app exited before it was ready"
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "the app is not ready in time"
            time.sleep(0.2)
