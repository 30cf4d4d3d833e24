"""`recomart bench publishing` on a small shop: the logged lists, not speed."""

import json
from pathlib import Path

import duckdb
from typer.testing import CliRunner

from apps.cli.commands import app


def test_benchmark_logs_changed_lists(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ["--work-dir", str(tmp_path / "work"), "--customers", "300", "--changed-share", "0.5"]
    result = CliRunner().invoke(app, ["bench", "publishing", *options, "--json", str(file)])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    publications = [row["publication"] for row in figures["log_times"]]
    assert publications == ["first", "a day later", "after 30 days of logs"]
    with duckdb.connect() as connection:
        query = """
            select count(*)
            from read_parquet(?)
            where not contains(filename, 'Z-')
            group by publication
            order by publication
        """
        logs = str(tmp_path / "work" / "landing" / "recommendation_log" / "published" / "*.parquet")
        (first,), (second,), (third,) = connection.execute(query, [logs]).fetchall()
    assert first == 300
    assert 100 < second < 200
    assert 100 < third < 200
