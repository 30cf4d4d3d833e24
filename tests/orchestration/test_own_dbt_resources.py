"""Dagster with an analyst's own dbt resources: models in any folder, a source, seed, snapshot, test and exposure."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from warehouse.settings import PROJECT_ROOT, Settings

OWN_FILES = {
    "models/top_customers.sql": "select user_id, count(*) as actions from {{ ref('fct_events') }} group by user_id",
    "models/marts/from_ephemeral.sql": "select one from {{ ref('ephemeral_one') }}",
    "models/own/ephemeral_one.sql": "{{ config(materialized='ephemeral') }} select 1 as one",
    "models/own/answer.py": "def model(dbt, session):\n    return session.sql('select 42 as answer')\n",
    "models/own/crm_contacts.sql": (
        "{{ config(schema='crm') }} select contacts.user_id, labels.label "
        "from {{ source('crm', 'contacts') }} as contacts "
        "left join {{ ref('segment_labels') }} as labels using (segment)"
    ),
    "models/own/crm.yml": (
        "sources: [{name: crm, schema: crm_raw, tables: [{name: contacts}]}]\n"
        "exposures: [{name: crm_board, type: dashboard, owner: {name: CRM}, depends_on: [ref('crm_contacts')]}]\n"
    ),
    "seeds/own/segment_labels.csv": "segment,label\na,A\n",
    "snapshots/contacts_history.sql": (
        "{% snapshot contacts_history %}\n"
        "{{ config(schema='crm', unique_key='user_id', strategy='check', check_cols=['segment']) }}\n"
        "select * from {{ source('crm', 'contacts') }}\n{% endsnapshot %}"
    ),
    "tests/contacts_have_label.sql": "select * from {{ ref('crm_contacts') }} where label is null",
    "analyses/own.sql": "select * from {{ ref('top_customers') }}",
}

SCRIPT = """
import json
import dagster as dg
from orchestration.definitions import defs

graph = defs.resolve_asset_graph()
names = json.loads(input())
keys = [key for key in graph.materializable_asset_keys if key.path[-1] in names]
with dg.DagsterInstance.ephemeral() as instance:
    run = defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, asset_selection=keys)
built_keys = [event.asset_key for event in run.get_asset_materialization_events()]
groups = {key.path[-1]: graph.get(key).group_name for key in built_keys}
print(json.dumps([groups, [check.check_name for check in run.get_asset_check_evaluations() if check.passed]]))
"""


@pytest.mark.slow
def test_own_dbt_resources_are_assets(demo_copy: Settings, tmp_path: Path) -> None:
    for package in ("dbt_project", "models_ml", "orchestration", "warehouse"):
        ignored = shutil.ignore_patterns("target", "logs", "__pycache__", "landing", "*.duckdb*")
        shutil.copytree(PROJECT_ROOT / package, tmp_path / package, ignore=ignored)
    for name, content in OWN_FILES.items():
        file = tmp_path / "dbt_project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute("create schema crm_raw")
        connection.execute("create table crm_raw.contacts as select 'u00001' as user_id, 'a' as segment")
    groups = {
        "top_customers": "models",
        "from_ephemeral": "marts",
        "answer": "own",
        "crm_contacts": "own",
        "segment_labels": "seeds",
        "contacts_history": "snapshots",
    }
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([*groups]),
        cwd=tmp_path,
        env=demo_copy.build_environment() | {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert json.loads(process.stdout.splitlines()[-1]) == [groups, ["contacts_have_label"]]
