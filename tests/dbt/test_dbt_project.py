"""Rules of the whole dbt project: documentation, contracts, variables, error messages and the manifest."""

import ast
import csv
import json
import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from tenacity import stop_after_attempt

from orchestration import dbt_manifest, dbt_runner
from orchestration.dbt_manifest import list_published_tables, load_manifest
from orchestration.dbt_runner import PROJECT_DIR, run_dbt, start_dbt
from tests.three_feed_shop import Shop
from warehouse import effect_report
from warehouse.database import open_writer
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.loading.reloading import extract_date_from_path
from warehouse.publishing import (
    customer_queries,
    placement_queries,
    product_queries,
    published_rules,
    serving_copy,
    today_queries,
)
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS, RAW_COLUMNS


@pytest.fixture(scope="module")
def parsed_settings(module_dbt_folder: Path) -> Settings:
    """Settings of a warehouse that contains only dbt's manifest."""
    settings = Settings(warehouse=module_dbt_folder / "warehouse")
    run_dbt(settings, "parse")
    return settings


@pytest.fixture(scope="module")
def parsed_manifest(parsed_settings: Settings) -> dict[str, Any]:
    """dbt's manifest."""
    manifest: dict[str, Any] = json.loads(
        (parsed_settings.dbt_target_dir / "manifest.json").read_text(encoding="utf-8")
    )
    return manifest


@pytest.fixture(scope="module")
def manifest_models(parsed_manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The models' nodes in dbt's manifest."""
    return [node for node in parsed_manifest["nodes"].values() if node["resource_type"] == "model"]


@pytest.fixture(scope="module")
def valid_rows_tests(parsed_manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of generic test valid_rows in dbt's manifest."""
    nodes = parsed_manifest["nodes"].values()
    return [node for node in nodes if (node.get("test_metadata") or {}).get("name") == "valid_rows"]


def test_model_descriptions_end_with_grain(manifest_models: list[dict[str, Any]]) -> None:
    grain = re.compile(r"^One row per |\. One row per ((?!\. ).)*\.$", re.DOTALL)
    violations = [model["name"] for model in manifest_models if not grain.search(model["description"].strip())]

    assert manifest_models
    assert violations == []


def test_model_columns_are_described(manifest_models: list[dict[str, Any]]) -> None:
    undescribed = [
        f"{model['name']}.{column['name']}"
        for model in manifest_models
        for column in model["columns"].values()
        if not column["description"]
    ]

    assert all(model["columns"] for model in manifest_models)
    assert undescribed == []


def test_models_read_by_python_have_contracts(manifest_models: list[dict[str, Any]]) -> None:
    read_prefixes = ("ml_", "rec_", "dim_", "eval_", "audit_", "feat_", "fct_", "effect_")
    violations = [
        model["name"]
        for model in manifest_models
        if model["name"].startswith(read_prefixes) and not model["config"]["contract"]["enforced"]
    ]

    assert violations == []


def test_published_tables_equal_read_tables(parsed_settings: Settings) -> None:
    modules = (serving_copy, published_rules, product_queries, customer_queries, today_queries, placement_queries)
    source = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in modules)
    read_tables = set(re.findall(r"\b(?:audit|dim|eval|fct|feat|ml|rec)_\w+", source))
    read_tables |= set(re.findall(r"\bfrom (effect_\w+)", Path(effect_report.__file__).read_text(encoding="utf-8")))

    assert set(list_published_tables(parsed_settings)) == read_tables


def test_quarantine_rules_are_documented(manifest_models: list[dict[str, Any]]) -> None:
    rules = {
        name
        for model in manifest_models
        for call in re.findall(r"broken_rules\(\{(.*?)\}\)", model["raw_code"], re.DOTALL)
        for name in re.findall(r"^\s*'(\w+)':", call, re.MULTILINE)
    }
    with (PROJECT_DIR / "seeds" / "quarantine_reasons.csv").open(encoding="utf-8", newline="") as seed:
        documented = [row["reason"] for row in csv.DictReader(seed)]

    assert len(rules) > 5
    assert sorted(documented) == sorted(rules)


def test_raw_columns_equal_loader(parsed_manifest: dict[str, Any]) -> None:
    macro = parsed_manifest["macros"]["macro.recomart.raw_columns"]["macro_sql"]
    columns = ast.literal_eval(macro[macro.index("{\n") : macro.index("}[kind]") + 1])
    assert {kind: tuple(names) for kind, names in columns.items()} == RAW_COLUMNS


def test_log_kinds_equal_loader(parsed_manifest: dict[str, Any]) -> None:
    macro = parsed_manifest["macros"]["macro.recomart.log_kinds"]["macro_sql"]
    assert tuple(ast.literal_eval(macro[macro.index("[") : macro.index("]") + 1])) == LOG_KINDS


def test_macros_are_described(parsed_manifest: dict[str, Any]) -> None:
    """Implementations of dispatched macros are described with the macro that dispatches."""
    undescribed = [
        macro["name"]
        for macro in parsed_manifest["macros"].values()
        if macro["package_name"] == "recomart"
        and not re.match(r"default__|duckdb__|test_", macro["name"])
        and not macro["description"]
    ]
    assert undescribed == []


def find_tested_table(test: dict[str, Any]) -> str:
    """Return the unique id of the table that a test of the yml file of the table tests."""
    return str(test["attached_node"] or next(iter(test["depends_on"]["nodes"])))


def test_valid_rows_is_named_after_table(valid_rows_tests: list[dict[str, Any]]) -> None:
    """A table has one test, and at most one more for its relationships."""
    kinds_by_name = {test["name"]: set(test["test_metadata"]["kwargs"]) - {"model"} for test in valid_rows_tests}
    expected = {
        f"valid_rows_{table.split('.', 2)[2].replace('.', '_')}" for table in map(find_tested_table, valid_rows_tests)
    }
    additional = {f"{name}_relationships" for name in expected} & kinds_by_name.keys()

    assert len(expected) > 50
    assert expected <= kinds_by_name.keys() <= expected | additional
    assert len(kinds_by_name) == len(valid_rows_tests)
    assert [name for name in additional if kinds_by_name[name] != {"relationships"}] == []


def test_relationships_do_not_delay_other_checks(
    parsed_manifest: dict[str, Any], valid_rows_tests: list[dict[str, Any]]
) -> None:
    """A failed test stops every model below its table.

    dbt stops only the models below all tables that a test reads. A relationship that would exempt a model is a test of
    its own.
    """

    def list_models_below(node: str) -> set[str]:
        children = {child for child in parsed_manifest["child_map"][node] if child.startswith("model.")}
        return children.union(*map(list_models_below, children))

    exempted = {
        test["name"]: models
        for test in valid_rows_tests
        for parent in test["depends_on"]["nodes"]
        if set(test["test_metadata"]["kwargs"]) > {"model", "relationships"}
        and (models := list_models_below(find_tested_table(test)) - list_models_below(parent))
    }

    assert exempted == {}


@pytest.mark.parametrize("command", [("build",), pytest.param(("docs", "generate"), marks=pytest.mark.slow)])
def test_missing_raw_tables_name_next_step(dbt_folder: Path, command: tuple[str, ...]) -> None:
    with pytest.raises(RecomartError, match="recomart load"):
        run_dbt(Settings(warehouse=dbt_folder / "warehouse"), *command)


@pytest.mark.slow
def test_invalid_variables_stop_run(tmp_path: Path) -> None:
    """The project checks every variable."""
    project = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))
    invalid = dict.fromkeys(project["vars"], -1) | {
        "evaluation_share": 0.6, "top_n": 2.5, "popularity_half_life_days": 0, "max_stale_share": "0,2",
        "audit_overdue_multiple": float("nan"), "stale_interval_multiple": float("inf"), "repeat_due_share": 11,
    }  # fmt: skip
    duckdb.connect(str(Settings(warehouse=tmp_path).database)).close()
    with pytest.raises(RecomartError, match=r"evaluation_share is 0.6 and must be a number, above 0 and below 0.5"):
        run_dbt(Settings(warehouse=tmp_path), "build", "--vars", yaml.safe_dump(invalid))
    log = (tmp_path / "logs" / "dbt.log").read_text(encoding="utf-8")
    assert [name for name, value in invalid.items() if f"{name} is {value} and must be a " not in log] == []


@pytest.mark.parametrize(
    ("content", "problem", "message"),
    [
        (b"event_type,weight\nview,1\nclick,first\n", "Could not convert string 'first' to DOUBLE",
         ", line 3, column weight: Could not convert string 'first' to DOUBLE. Write numbers like 2.5 and dates "),
        (b"event_type,weight\nview,1,,2\n", "Row 0 has 4 values", ", line 2: it has more values than there are "),
        (b"", "a callable raised a StopIteration exception", ": the file is empty. Write numbers "),
        (b"event_type,weight\nkl\xf6ck,2\n", "'utf-8' codec can't decode byte", ", line 2: it is not in UTF-8. Save "),
    ],
)  # fmt: skip
def test_seed_error_names_line_and_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, problem: str, message: str
) -> None:
    settings = Settings(warehouse=tmp_path)
    settings.dbt_target_dir.mkdir(parents=True)
    failed = {
        "unique_id": "seed.recomart.event_weights",
        "status": "error",
        "message": f"Runtime Error in seed event_weights (seeds/event_weights.csv)\n  {problem}",
    }
    (settings.dbt_target_dir / "run_results.json").write_text(json.dumps({"results": [failed]}), encoding="utf-8")
    folder = tmp_path / "seeds"
    folder.mkdir(parents=True)
    (folder / "event_weights.csv").write_bytes(content)
    monkeypatch.setattr(dbt_runner, "PROJECT_DIR", tmp_path)
    error = str(dbt_runner.build_dbt_error(settings, "build", [], tmp_path))
    assert error.startswith(f"dbt build failed: dbt_project/seeds/event_weights.csv{message}")


@pytest.mark.parametrize(
    ("message", "shortened"),
    [
        (
            "Encountered an error:\nParsing Error\n  Invalid models config given in models/a.yml @ models: {'name': "
            f"'a', 'config': {{'meta': {{'owner': '{'x' * 400}'}}}}}} - at path ['columns'][0]['config']: 'b' is not "
            "of type 'object'",
            "Invalid models config given in models/a.yml @ models 'a' at path ['columns'][0]['config']: "
            "'b' is not of type 'object'",
        ),
        (
            "Parsing Error\n  Error reading recomart: a.yml - Runtime Error\n    Syntax error near line 4\n"
            f"    {'-' * 30}\n    1  | version: 2\n    2  | {'x' * 400}\n    \n    Raw Error:\n    {'-' * 30}\n"
            "    while parsing a block collection\n    did not find expected '-' indicator",
            "Error reading recomart: a.yml - Runtime Error Syntax error near line 4 while parsing a block collection "
            "did not find expected '-' indicator",
        ),
        (
            'Runtime Error in model a (models/a.sql)\n  Binder Error: Column "b" not found!\n\n  LINE 12: where b > 3\n'
            "                 ^\n  compiled code at target/a.sql",
            'Binder Error: Column "b" not found!',
        ),
    ],
)
def test_messages_keep_reason(message: str, shortened: str) -> None:
    """dbt quotes the settings of a node, lines of a file and lines of SQL before or after the reason."""
    assert dbt_runner.shorten_message(message) == shortened


def test_unit_tests_ignore_sample(parsed_manifest: dict[str, Any]) -> None:
    """A build of a sample has the customers of all unit tests."""
    nodes, unit_tests = parsed_manifest["nodes"], parsed_manifest["unit_tests"].values()
    sampled = {
        name for name, node in nodes.items() if "macro.recomart.is_in_sample" in node["depends_on"].get("macros", ())
    }
    tests = [test for test in unit_tests if not sampled.isdisjoint(test["depends_on"]["nodes"])]
    tests = [test for test in tests if f"model.recomart.{test['model']}" in sampled]

    assert tests
    assert [test["name"] for test in tests if (test["overrides"] or {}).get("vars", {}).get("sample_share") != 1] == []


@pytest.mark.slow
def test_changed_columns_suggest_full_refresh(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.put("events/a.jsonl", '{"user": "u", "item": "p", "type": "view", "time": "2026-01-05T10:00:00Z"}\n')
    load(shop.settings)
    command = ("run", "--select", "+int_events_classified")
    run_dbt(shop.settings, *command)
    with open_writer(shop.settings) as connection:
        connection.execute("alter table intermediate.int_events_classified add column dropped_since integer")
    with pytest.raises(RecomartError, match=r"other columns than .* `dbt build --full-refresh` in dbt_project/"):
        run_dbt(shop.settings, *command)


def test_started_process_runs_command(parsed_settings: Settings) -> None:
    with start_dbt(parsed_settings) as process:
        result = run_dbt(parsed_settings, "ls", "--select", "dim_users", started_process=process)

    assert process.returncode == 0
    assert result.status_counts == {}


def test_unused_started_process_is_killed(parsed_settings: Settings) -> None:
    with start_dbt(parsed_settings) as process:
        assert process.poll() is None

    assert process.returncode is not None


def test_ended_started_process_is_replaced(parsed_settings: Settings) -> None:
    with start_dbt(parsed_settings) as process:
        process.kill()
        process.wait()
        run_dbt(parsed_settings, "ls", "--select", "dim_users", started_process=process)


@pytest.mark.slow
def test_load_manifest_reparses_truncated_file(parsed_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt_manifest._read_manifest.retry, "stop", stop_after_attempt(1))  # type: ignore[attr-defined]
    manifest = load_manifest(parsed_settings)
    for name in ("manifest.json", "partial_parse.msgpack"):
        file = parsed_settings.dbt_target_dir / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert load_manifest(parsed_settings)["nodes"].keys() == manifest["nodes"].keys()


def test_profile_defaults_equal_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """profiles.yml has the defaults of the settings for a dbt that a user runs."""
    monkeypatch.chdir(PROJECT_DIR)
    profile = Path("profiles.yml").read_text(encoding="utf-8")
    defaults = {name.lower(): value for name, value in re.findall(r"env_var\('RECOMART_(\w+)', '(.*?)'\)", profile)}

    assert {"warehouse", "threads", "memory_limit"} == defaults.keys()
    assert Settings(**defaults).model_dump(include=set(defaults)) == {
        name: Settings.model_fields[name].default for name in defaults
    }


@pytest.mark.slow
def test_load_manifest_drops_deleted_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project may lie in a folder with the name of an output folder."""
    project = tmp_path / "target" / "dbt_project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("{name: small, profile: small}", encoding="utf-8")
    (project / "profiles.yml").write_text(
        "small: {target: t, outputs: {t: {type: duckdb, path: none.duckdb}}}", encoding="utf-8"
    )
    for name in ("kept", "deleted"):
        (project / "models" / f"{name}.sql").write_text("select 1 as one", encoding="utf-8")
    for module in (dbt_runner, dbt_manifest):
        monkeypatch.setattr(module, "PROJECT_DIR", project)
    settings = Settings(warehouse=tmp_path / "warehouse")
    assert load_manifest(settings)["nodes"].keys() == {"model.small.kept", "model.small.deleted"}
    (project / "models" / "deleted.sql").unlink()
    assert load_manifest(settings)["nodes"].keys() == {"model.small.kept"}


def test_date_in_path_equals_python(parsed_settings: Settings) -> None:
    dates = {
        "2026-01-31/page-1.json": date(2026, 1, 31),
        "20260131T1200.jsonl": date(2026, 1, 31),
        "2026/01/31.csv": date(2026, 1, 31),
        "a_2026_01_31_v2": date(2026, 1, 31),
        "events.2026.01.31.csv": date(2026, 1, 31),
        "year=2026/month=01/day=31/part-0.csv": date(2026, 1, 31),
        "2026_01-31.csv": date(2026, 1, 31),
        "2025-12-01/2026-01-31.csv": date(2026, 1, 31),
        "2026-01-31/batch-20261399.csv": date(2026, 1, 31),
        "2026-02-30.csv": None,
        "120260131.csv": None,
        "catalog_20260131060000.json": date(2026, 1, 31),
        "202601312359.csv": date(2026, 1, 31),
        "202601312460.csv": None,
        "2626-01-31.csv": None,
        "2026-1-31.csv": None,
        "all.csv": None,
    }
    values = ", ".join(f"('{path}')" for path in dates)
    query = f"select path, {{{{ date_in_path('path') }}}} as day from (values {values}) as paths(path)"
    duckdb.connect(str(parsed_settings.database)).close()
    process = subprocess.run(
        [dbt_runner.find_dbt_executable(), "-q", "show", "--inline", query, "--output", "json", "--limit", "-1"],
        cwd=PROJECT_DIR,
        env=parsed_settings.build_environment() | dbt_runner.build_dbt_environment(parsed_settings),
        capture_output=True,
        text=True,
        check=True,
    )
    sql_dates = {
        row["path"]: row["day"] and date.fromisoformat(row["day"][:10]) for row in json.loads(process.stdout)["show"]
    }

    assert sql_dates == dates
    assert {path: extract_date_from_path(path) for path in dates} == dates
