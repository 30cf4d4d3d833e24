"""An analyst's own copy of a warehouse and of the dbt project, with seeds and rules to change, and builds."""

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from orchestration.dbt_runner import PROJECT_DIR, build_dbt_environment, find_dbt_executable
from warehouse.database import open_reader
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

DEFAULT_TOP_N = 50


class AnalystProject:
    """An analyst's own copy of a warehouse and of the dbt project, with seeds to edit."""

    seed_columns: ClassVar = {"experiments": ("name", "arm", "share", "policy", "starts_on", "ends_on")}

    def __init__(self, source_settings: Settings, folder: Path) -> None:
        self.settings = Settings(warehouse=folder / "warehouse")
        ignored = shutil.ignore_patterns("landing", "logs", "serving", "partial_parse.msgpack")
        shutil.copytree(source_settings.warehouse, self.settings.warehouse, ignore=ignored, dirs_exist_ok=True)
        self.project = folder / "dbt_project"
        shutil.copytree(PROJECT_DIR, self.project, ignore=shutil.ignore_patterns("target", "logs"))

    def write(self, seed: str, *rows: Sequence[object]) -> None:
        """Write a seed as a spreadsheet may: with a byte order mark, Windows line ends and another column order."""
        path = self.project / "seeds" / seed / f"{seed}.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.DictWriter(file, sorted(self.seed_columns[seed]))
            table.writeheader()
            # A row without the last columns has no value in them.
            table.writerows(dict(zip_longest(self.seed_columns[seed], row, fillvalue="")) for row in rows)

    def write_rules(self, *rules: dict[str, Any]) -> list[str]:
        """Replace the merchandising rules; return their ids."""
        self.settings.rules_file.unlink(missing_ok=True)
        stored = RuleStore(self.settings).add([Rule.model_validate(rule) for rule in rules], "analyst")
        return [entry.rule_id for entry in stored]

    def build(
        self, select: str = "source:merchandising+", top_n: int = DEFAULT_TOP_N
    ) -> subprocess.CompletedProcess[str]:
        """Run the `dbt build` command that the docs about rules name, or build less."""
        # The results of a command with --vars are not recorded, and its tables are not published.
        file = self.project / "dbt_project.yml"
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"^  top_n: \d+", f"  top_n: {top_n}", text, flags=re.MULTILINE), encoding="utf-8")
        return subprocess.run(
            [find_dbt_executable(), "build", "--select", select, "--exclude-resource-type", "unit_test"],
            cwd=self.project,
            env=os.environ | self.settings.build_environment() | build_dbt_environment(self.settings),
            capture_output=True,
            text=True,
            check=False,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with open_reader(self.settings) as connection:
            return connection.execute(sql).fetchall()

    def read_lists(self) -> dict[str, list[tuple[str, str]]]:
        """Return product and source of every customer's recommendations and of the anonymous list, best first."""
        lists: dict[str, list[tuple[str, str]]] = {}
        rows = self.query(
            "select user_id, product_id, source from intermediate.int_recommendations_ranked order by user_id, rank"
        )
        for user, product, source in rows:
            lists.setdefault(user, []).append((product, source))
        return lists
