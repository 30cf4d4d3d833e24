"""Dagster's asset graph, and the full pipeline on an empty warehouse and again with nothing new."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest
from dagster_dbt import DbtCliResource

from orchestration.assets import common
from orchestration.assets.common import read_table_info
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt_manifest import load_manifest
from orchestration.dbt_runner import PROJECT_DIR, find_dbt_executable
from tests.conftest import SMALL_SHOP_CONFIG
from tests.database_lock import hold_database
from warehouse.database import open_reader
from warehouse.demo.generator import generate_shop
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.sources.columns import RAW_COLUMNS

LANDING_DAYS_KEY = dg.AssetKey(["landing", "days"])

LIST_LOG_TABLES = {
    *("raw/loaded_files", "raw/seen_columns", "staging/stg_raw__loaded_files"),
    *("intermediate/int_file_loads", "intermediate/int_row_status_counts", "marts/audit_files"),
    *("intermediate/int_feed_day_counts", "intermediate/int_unusual_feed_days"),
    *("marts/audit_feed_days", "marts/audit_feeds"),
}
"""Tables that count the rows of all feeds. A run loads the log of the lists that the run before published."""


@pytest.fixture(scope="module")
def graph_shop_settings(module_dbt_folder: Path) -> Iterator[Settings]:
    """Landing files of a demo shop; the environment names its warehouse by a relative path."""
    settings = Settings(warehouse=module_dbt_folder / "warehouse")
    generate_shop(SMALL_SHOP_CONFIG, settings.landing_dir, settings.demo_truth_dir)
    # Dagster passes the settings to dbt through the environment.
    with patch.dict(os.environ), pytest.MonkeyPatch.context() as environment:
        environment.chdir(settings.warehouse.parent)
        environment.setenv("RECOMART_WAREHOUSE", settings.warehouse.name)
        yield settings


@pytest.fixture(scope="module")
def dagster_definitions(graph_shop_settings: Settings) -> ModuleType:
    """The definitions as Dagster loads them, in the shop's environment."""
    assert Settings().warehouse == graph_shop_settings.warehouse
    return importlib.import_module("orchestration.definitions")


@pytest.fixture(scope="module")
def first_run(dagster_definitions: ModuleType) -> dg.ExecuteInProcessResult:
    """A run of the job on an empty warehouse."""
    with dg.DagsterInstance.ephemeral() as instance:
        job = dagster_definitions.defs.resolve_job_def("full_pipeline")
        run = job.execute_in_process(instance=instance, raise_on_error=False)
    assert run.success
    return run


@pytest.fixture(scope="module")
def scheduled_run(first_run: dg.ExecuteInProcessResult, dagster_definitions: ModuleType) -> dg.ExecuteInProcessResult:
    """A scheduled run with nothing new."""
    assert first_run.success
    with dg.DagsterInstance.ephemeral() as instance:
        job = dagster_definitions.defs.resolve_job_def("full_pipeline")
        return job.execute_in_process(instance=instance, tags={"dagster/schedule_name": "nightly_schedule"})


@pytest.fixture(scope="module")
def first_published_rows(first_run: dg.ExecuteInProcessResult, graph_shop_settings: Settings) -> Mapping[str, int]:
    """Row counts of the copy that the first run published, before another run publishes."""
    assert first_run.success
    return read_pointer(graph_shop_settings).rows


def get_materializations(run: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, dg.AssetMaterialization]:
    """Return the materializations of a run's tables and published copy."""
    events = run.get_asset_materialization_events()
    return {event.asset_key: event.materialization for event in events if event.asset_key.path[0] != "landing"}


def test_scheduled_run_with_nothing_new_builds_nothing(scheduled_run: dg.ExecuteInProcessResult) -> None:
    assert {key.path[0] for key in get_materializations(scheduled_run)} == {"raw"}
    skipped_steps = {event.step_key for event in scheduled_run.all_events if event.is_step_skipped}
    assert skipped_steps == {"model_tables", "recommendations", "serving__published_copy"}


def test_assets_report_row_count_and_duration(
    first_run: dg.ExecuteInProcessResult, dagster_definitions: ModuleType
) -> None:
    graph = dagster_definitions.defs.resolve_asset_graph()
    materializations = get_materializations(first_run)
    assert materializations.keys() == graph.materializable_asset_keys - {LANDING_DAYS_KEY}
    for key, materialization in materializations.items():
        assert "dagster/row_count" in materialization.metadata, key
        assert {"seconds", "Execution Duration"} & set(materialization.metadata), key


@pytest.mark.slow
@pytest.mark.usefixtures("first_published_rows")
def test_second_run_adds_no_rows(first_run: dg.ExecuteInProcessResult, dagster_definitions: ModuleType) -> None:
    """A second run adds the log of the first run's lists, and no other row."""

    def get_row_counts(run: dg.ExecuteInProcessResult) -> dict[str, object]:
        return {
            key.to_user_string(): materialization.metadata["dagster/row_count"].value
            for key, materialization in get_materializations(run).items()
        }

    with dg.DagsterInstance.ephemeral() as instance:
        second_run = dagster_definitions.defs.resolve_job_def("full_pipeline").execute_in_process(instance=instance)
    first, second = get_row_counts(first_run), get_row_counts(second_run)
    metric_tables = {"ml/ranking_metrics", "ml/metric_differences", "marts/eval_metric_differences"}
    changing_tables = {
        *("ml/model_runs", *metric_tables, "marts/eval_model_runs"),
        *("intermediate/int_changed_loads", "intermediate/int_outdated_days", "serving/published_copy"),
    }
    assert first.keys() == second.keys()
    changed_tables = {name for name in first if first[name] != second[name]}
    assert {name for name in changed_tables - LIST_LOG_TABLES if "recommendation_lists" not in name} <= changing_tables


def test_dbt_tests_are_asset_checks(first_run: dg.ExecuteInProcessResult, graph_shop_settings: Settings) -> None:
    """A relationship between two sources belongs to none of Dagster's assets."""
    nodes = load_manifest(graph_shop_settings)["nodes"].values()
    tests = {node["name"] for node in nodes if node["resource_type"] == "test"}
    checks = first_run.get_asset_check_evaluations()
    assert {check.check_name for check in checks} == tests - {"valid_rows_raw_loaded_files_relationships"}
    assert [check.check_name for check in checks if not check.passed] == []


def test_checks_have_descriptions(dagster_definitions: ModuleType) -> None:
    """The description of a test comes from its yml file, its generic test, or the first comment of its SQL."""
    graph = dagster_definitions.defs.resolve_asset_graph()
    descriptions = {key.name: graph.get(key).description or "" for key in graph.asset_check_keys}
    assert [name for name, description in descriptions.items() if not description.endswith(".")] == []
    assert descriptions["warn_on_drift"] == "Warns of significant drift (audit_drift)."
    assert descriptions["assert_placements_valid"].startswith("No row of the seed is invalid")


def test_sensors_and_schedules_have_descriptions(dagster_definitions: ModuleType) -> None:
    automations = [*dagster_definitions.defs.sensors, *dagster_definitions.defs.schedules]
    assert [automation.name for automation in automations if not automation.description] == []


def test_assets_are_grouped_by_layer(dagster_definitions: ModuleType) -> None:
    graph = dagster_definitions.defs.resolve_asset_graph()
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups == {
        *("landing", "raw", "seeds", "staging", "intermediate", "core", "features", "ml", "model"),
        "merchandising",
        *("recommendations", "effect", "evaluation", "audit", "serving", "apps"),
    }


@pytest.mark.parametrize(
    ("resource", "group"),
    [
        ({"resource_type": "model", "original_file_path": "models/marts/top_ten.sql"}, "marts"),
        ({"resource_type": "model", "original_file_path": "models/top_ten.sql"}, "models"),
        ({"resource_type": "model", "original_file_path": "models/marts/own/daily/top_ten.sql"}, "own"),
        ({"resource_type": "snapshot", "original_file_path": "snapshots/prices.yml"}, "snapshots"),
        ({"resource_type": "source", "schema": "crm", "original_file_path": "models/crm.yml"}, "crm"),
    ],
)
@pytest.mark.usefixtures("dagster_definitions")
def test_own_dbt_resources_have_defaults(resource: dict[str, Any], group: str) -> None:
    """An analyst's model, snapshot or source can be in any folder, and need not name a page of docs."""
    translator = sys.modules["orchestration.assets.dbt_graph"].TRANSLATOR
    assert translator.get_group_name(resource) == group
    properties = resource | {"meta": {}, "unique_id": "model.recomart.x", "name": "x", "config": {}, "columns": {}}
    assert "docs" not in translator.get_metadata(properties | {"resource_type": "seed"})


def test_published_copy_depends_on_landing(dagster_definitions: ModuleType) -> None:
    graph = dagster_definitions.defs.resolve_asset_graph()
    upstream = graph.get_ancestor_asset_keys(dg.AssetKey(["serving", "published_copy"]))
    assert {dg.AssetKey(["landing", kind]) for kind in ("events", "purchases", "products")} <= upstream


def test_apps_depend_on_published_copy(dagster_definitions: ModuleType) -> None:
    graph = dagster_definitions.defs.resolve_asset_graph()
    published = graph.get(dg.AssetKey(["serving", "published_copy"]))
    assert {key.path[-1] for key in published.child_keys} == {"streamlit_app", "http_service"}
    for key in published.child_keys:
        assert not graph.get(key).is_materializable
        assert "url" in graph.get(key).metadata


def test_load_reports_landing_files(
    first_run: dg.ExecuteInProcessResult, scheduled_run: dg.ExecuteInProcessResult, graph_shop_settings: Settings
) -> None:
    files = [path for path in (graph_shop_settings.landing_dir / "clickstream").iterdir() if path.is_file()]
    deliveries = [event.materialization for event in first_run.get_asset_materialization_events()]
    observations = [
        event.asset_observation_data.asset_observation for event in scheduled_run.get_asset_observation_events()
    ]
    for reports, kinds in ((deliveries, {"events", "products", "purchases"}), (observations, {*RAW_COLUMNS})):
        metadata = {
            report.asset_key.path[1]: report.metadata
            for report in reports
            if report.asset_key.path[0] == "landing" and report.asset_key != LANDING_DAYS_KEY
        }
        assert set(metadata) == kinds
        events = metadata["events"]
        assert events["file_count"].value == len(files)
        assert events["size_bytes"].value == sum(path.stat().st_size for path in files)
        assert graph_shop_settings.landing_dir / str(events["newest_file"].value) in files


def test_load_reports_landing_days(
    first_run: dg.ExecuteInProcessResult, scheduled_run: dg.ExecuteInProcessResult, graph_shop_settings: Settings
) -> None:
    """Each day is a partition with the number of its rows; a load without new files reports none."""
    first, second = (
        {
            event.partition: event.materialization.metadata
            for event in run.get_asset_materialization_events()
            if event.asset_key == LANDING_DAYS_KEY
        }
        for run in (first_run, scheduled_run)
    )
    with open_reader(graph_shop_settings) as connection:
        ((rows,),) = connection.execute(
            "select sum(rows_loaded) from raw.loaded_files where feed in ('events', 'purchases', 'products')"
        ).fetchall()
    assert len(first) == SMALL_SHOP_CONFIG.days
    assert sum(int(str(metadata["dagster/row_count"].value)) for metadata in first.values()) == rows
    assert second == {}


def test_asset_without_its_inputs_names_them(dagster_definitions: ModuleType, tmp_path: Path) -> None:
    """On an empty warehouse, an asset that cannot be materialized alone says what to do."""
    landing = Settings().landing_dir
    messages = {}
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        environment.setenv("RECOMART_WAREHOUSE", str(tmp_path / "warehouse"))
        environment.setenv("RECOMART_LANDING", str(landing))
        job = dagster_definitions.defs.resolve_implicit_global_asset_job_def()
        for name in ("serving/published_copy", "raw/events", "marts/dim_users", "ml/candidates", "marts/rec_top_n"):
            key = dg.AssetKey(name.split("/"))
            run = job.execute_in_process(instance=instance, asset_selection=[key], raise_on_error=False)
            failures = [event.step_failure_data.user_failure_data for event in run.get_step_failure_events()]
            messages[name] = [failure.description.rpartition(": ")[2] for failure in failures if failure]
    advice = "must be built before. Select the upstream assets as well, or launch the job full_pipeline"
    assert messages == {
        "serving/published_copy": [
            "the warehouse does not exist. Create it with `recomart run`, or name another folder in RECOMART_WAREHOUSE"
        ],
        "raw/events": [],
        "marts/dim_users": [f"intermediate.int_user_days and 4 more {advice}"],
        "ml/candidates": [f"marts.ml_interactions {advice}"],
        "marts/rec_top_n": [f"intermediate.int_popular_products_ranked and 6 more {advice}"],
    }


def test_assets_have_owner_kind_and_docs(dagster_definitions: ModuleType) -> None:
    graph = dagster_definitions.defs.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert [node.key for node in nodes if not (node.owners and node.kinds and node.description)] == []
    assert [node.key for node in nodes if not Path(node.metadata["docs"].value).is_file()] == []


def test_dbt_runs_before_and_after_model(first_run: dg.ExecuteInProcessResult) -> None:
    steps = [event.step_key for event in first_run.all_events if event.is_step_success]
    assert steps == ["raw_tables", "marts", "model_tables", "recommendations", "serving__published_copy"]


def test_tables_have_column_schema_and_lineage(first_run: dg.ExecuteInProcessResult) -> None:
    metadata = get_materializations(first_run)[dg.AssetKey(["marts", "rec_top_n"])].metadata
    schema, lineage = metadata["dagster/column_schema"], metadata["dagster/column_lineage"]
    assert isinstance(schema, dg.TableSchemaMetadataValue)
    assert isinstance(lineage, dg.TableColumnLineageMetadataValue)
    columns = {column.name: column for column in schema.schema.columns}
    assert (columns["rank"].type, columns["rank"].description) == ("integer", "Rank in the list, from 1 (best).")
    assert lineage.lineage.deps_by_column["brand"] == [
        dg.TableColumnDep(dg.AssetKey(["marts", "dim_products"]), "brand")
    ]


def test_dbt_models_have_column_lineage(first_run: dg.ExecuteInProcessResult, dagster_definitions: ModuleType) -> None:
    graph = dagster_definitions.defs.resolve_asset_graph()
    nodes = (graph.get(key) for key in graph.materializable_asset_keys)
    models = {node.key for node in nodes if "dbt" in node.kinds and node.group_name != "seeds"}
    lineages = {
        key: materialization.metadata["dagster/column_lineage"]
        for key, materialization in get_materializations(first_run).items()
        if key in models
    }
    assert set(lineages) == models
    # The rows of audit_pii come from the project's yml files, the rules from a file.
    without_columns = [key for key, lineage in lineages.items() if not lineage.value.deps_by_column]
    assert without_columns == [
        dg.AssetKey(["staging", "stg_merchandising__rules"]),
        dg.AssetKey(["marts", "audit_pii"]),
    ]


def test_model_runs_report_ranking_metrics(first_run: dg.ExecuteInProcessResult) -> None:
    metadata = get_materializations(first_run)[dg.AssetKey(["ml", "model_runs"])].metadata
    assert 0 < float(metadata["als_ndcg_at_20"].value) <= float(metadata["oracle_ndcg_at_20"].value)  # type: ignore[arg-type]


def test_job_publishes_same_rows_as_command(
    first_published_rows: Mapping[str, int], graph_shop_settings: Settings, demo_warehouse: Settings
) -> None:
    command_rows = read_pointer(demo_warehouse).rows
    growing_tables = dict.fromkeys(("eval_model_runs", "eval_ranking_metrics", "eval_metric_differences"), 0)
    assert {**first_published_rows, **growing_tables} == {**command_rows, **growing_tables}
    hashes = []
    for warehouse in (graph_shop_settings, demo_warehouse):
        with open_reader(warehouse) as connection:
            hashes.append(connection.execute("select max(dataset_hash) from ml.model_runs").fetchall())
    assert hashes[0] == hashes[1]


def test_user_error_fails_step_with_message(
    dagster_definitions: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMART_LANDING", str(tmp_path / "nowhere"))
    with dg.DagsterInstance.ephemeral() as instance:
        run = dagster_definitions.defs.resolve_job_def("full_pipeline").execute_in_process(
            instance=instance, raise_on_error=False
        )
    (failure,) = run.get_step_failure_events()
    assert not any(event.is_step_up_for_retry for event in run.all_events)
    assert failure.step_failure_data.user_failure_data is not None
    assert "no such landing folder" in (failure.step_failure_data.user_failure_data.description or "")


def test_locked_warehouse_fails_dbt_step(
    first_run: dg.ExecuteInProcessResult,
    dagster_definitions: ModuleType,
    graph_shop_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The failure names the process that has the warehouse open. It may close it, so the step has three attempts."""
    assert first_run.success, "there is no warehouse to lock"
    monkeypatch.setenv("RECOMART_WAIT_SECONDS", "0")
    monkeypatch.setattr(common, "RETRY_DELAY_SECONDS", 0)
    with dg.DagsterInstance.ephemeral() as instance, hold_database(graph_shop_settings.database) as process_id:
        job = dagster_definitions.defs.resolve_job_def("full_pipeline")
        marts = dg.AssetKey(["marts", "dim_users"])
        run = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=[marts])
    (failure,) = run.get_step_failure_events()
    assert [event.step_key for event in run.all_events if event.is_step_up_for_retry] == ["marts", "marts"]
    assert failure.step_failure_data.user_failure_data is not None
    assert f"process {process_id} (" in (failure.step_failure_data.user_failure_data.description or "")


@pytest.mark.slow
@pytest.mark.usefixtures("first_run")
def test_killed_dbt_runs_again(
    dagster_definitions: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel kills a process when the memory runs out."""
    monkeypatch.setattr(common, "RETRY_DELAY_SECONDS", 0)
    attempts, dbt = tmp_path / "attempts", tmp_path / "dbt"
    dbt.write_text(
        f'#!/bin/sh\ncase "$*" in *build*) echo >> {attempts}; [ $(wc -l < {attempts}) = 2 ] || kill -9 $$;; esac\n'
        f'exec {find_dbt_executable()} "$@"\n'
    )
    dbt.chmod(0o755)
    resources = {
        "warehouse": WarehouseResource(),
        "dbt": DbtCliResource(project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=str(dbt)),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize(
            [dagster_definitions.marts], selection=["marts/dim_users"], resources=resources, instance=instance
        )
    (retry,) = [event for event in run.all_events if event.is_step_up_for_retry]
    assert "SIGKILL ended dbt" in str(retry.step_retry_data.error)
    assert {key.path[-1] for key in get_materializations(run)} == {"dim_users"}


def test_read_table_info_warns_when_locked(graph_shop_settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings = graph_shop_settings.model_copy(update={"wait_seconds": 0})
    context = dg.build_asset_context()
    with hold_database(graph_shop_settings.database):
        assert read_table_info(context, settings, {dg.AssetKey(["marts", "dim_users"])}) == {}
    assert "the tables are built, but their metadata cannot be read" in capfd.readouterr().err


@pytest.mark.slow
def test_dagster_validates_definitions(graph_shop_settings: Settings) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate"]
    result = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env=graph_shop_settings.build_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
