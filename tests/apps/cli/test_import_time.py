"""What the command line may not cost before it does anything."""

import subprocess
import sys

SLOW_MODULES = {"torch", "dlt", "matplotlib", "dagster", "dbt", "streamlit"}


def test_no_command_pays_for_packages_that_only_some_need() -> None:
    script = "import sys, apps.cli.commands; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & SLOW_MODULES == set()
