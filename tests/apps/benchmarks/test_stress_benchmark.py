"""`recomart bench stress` for a few seconds: no undocumented error and no growing memory."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.cli.commands import app


@pytest.mark.slow
def test_service_survives_hostile_clients(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = {"--work-dir": tmp_path / "work", "--clients": 16, "--seconds": 5, "--publications": 2, "--json": file}
    result = CliRunner().invoke(app, ["bench", "stress", *(str(word) for option in options.items() for word in option)])
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert (figures["is_running"], figures["errors"]) == (True, []), result.output
    assert {"200", "400", "404", "413", "421", "422", "431"} <= figures["statuses"].keys()
    assert figures["response_count"] > 100
    assert figures["publication_count"] == 2
    # In five seconds the memory has not settled; a full run has the limit of 1.2.
    assert figures["end_mib"] < figures["start_mib"] * 1.5
    assert "Memory of the service" in result.output
