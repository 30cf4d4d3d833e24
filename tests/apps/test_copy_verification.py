"""Programs that read a published copy refuse a damaged one before its first use."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.cli.commands import app
from apps.merchandiser.copy_cache import get_live_copy
from tests.database_damage import flip_byte
from warehouse.database import open_writer
from warehouse.errors import PublishedCopyError
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings


@pytest.fixture
def copy_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published copy of a warehouse, which the environment names."""
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.rec_top_n as select 'run' as run_id, 'u1' as user_id, 1 as rank")
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(tmp_path))
    return settings.serving_dir / publish(settings, ["rec_top_n"]).file


def test_published_command_verifies_copy(copy_path: Path) -> None:
    assert CliRunner().invoke(app, ["published"]).exit_code == 0
    flip_byte(copy_path, -1)
    result = CliRunner().invoke(app, ["published"])
    assert isinstance(result.exception, PublishedCopyError)
    assert "its checksum differs" in str(result.exception)


def test_app_verifies_copy(copy_path: Path) -> None:
    flip_byte(copy_path, -1)
    with pytest.raises(PublishedCopyError, match="its checksum differs"):
        get_live_copy()
