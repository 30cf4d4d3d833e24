"""docs/extending.md, done as an analyst does it: its files in a copy of the checkout, built, trained and evaluated."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.dbt_runner import find_dbt_executable
from warehouse.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.slow

GUIDE = PROJECT_ROOT / "docs" / "extending.md"
FILE_PATTERN = re.compile(r"^`([\w/.]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEMO = ("--customers", "300", "--products", "200", "--days", "20", "--events", "8000")
RUN_COMMAND = "import sys; from apps.cli.entry_point import main; sys.argv[0] = 'recomart'; main()"
LOAD_DEFINITIONS = """
from orchestration.definitions import defs
print("\\n".join(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()))
"""


class Checkout:
    """A copy of the project and a warehouse beside it."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.settings = Settings(warehouse=folder / "warehouse")
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT_ROOT, capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        for name in names:
            source = PROJECT_ROOT / name
            if source.is_file() and not source.is_symlink() and not name.startswith(("docs/", "tests/")):
                target = self.project / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        self.settings.warehouse.mkdir()

    def write_guide_files(self) -> list[str]:
        """Write the files of the guide; return their names."""
        files = dict(FILE_PATTERN.findall(GUIDE.read_text(encoding="utf-8")))
        for name, text in files.items():
            folder = self.settings.warehouse.parent if name.startswith("warehouse/") else self.project
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return list(files)

    def run(self, *command: str, folder: str = ".", is_successful: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the copy."""
        environment = self.settings.build_environment() | {"PYTHONPATH": str(self.project)}
        result = subprocess.run(
            command, cwd=self.project / folder, env=environment, capture_output=True, text=True, check=False
        )
        assert (result.returncode == 0) is is_successful, result.stdout + result.stderr
        return result

    def recomart(self, *args: str, is_successful: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `recomart` of the copy."""
        return self.run(sys.executable, "-c", RUN_COMMAND, *args, is_successful=is_successful)

    def dbt(self, *args: str) -> None:
        """Run `dbt` of the copy."""
        self.run(find_dbt_executable(), *args, folder="dbt_project")

    def query(self, sql: str, database: str = "recomart") -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with duckdb.connect(str(self.settings.warehouse / f"{database}.duckdb"), read_only=True) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return rows


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the project with the files of the guide, after a first run without them."""
    copy = Checkout(tmp_path_factory.mktemp("extending"))
    copy.recomart("demo-data", *DEMO)
    copy.recomart("run")
    assert len(copy.write_guide_files()) == 10
    return copy


@pytest.fixture(scope="module")
def first_run(checkout: Checkout) -> dict[str, Any]:
    """The result of the run after the files were added."""
    result: dict[str, Any] = json.loads(checkout.recomart("run", "--json").stdout)
    return result


def test_sample_builds_in_dev_only(checkout: Checkout) -> None:
    before = checkout.settings.database.stat().st_mtime_ns
    checkout.dbt("build", "--target", "dev", "--vars", "{sample_share: 0.3}", "--exclude-resource-type", "unit_test")
    count = "select count(*), count(distinct user_id) from marts.fct_events where user_id is not null"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{checkout.settings.warehouse / 'recomart_dev.duckdb'}' as dev (read_only)")
        connection.execute(f"attach '{checkout.settings.database}' as recomart (read_only)")
        connection.execute("use dev")
        sampled = connection.execute("select distinct user_id from dev.marts.dim_users").fetchall()
        rows = connection.execute(count).fetchall()[0]
    all_rows = checkout.query(count)[0]
    assert 0.15 < rows[1] / all_rows[1] < 0.45
    assert 0 < rows[0] < 0.6 * all_rows[0]
    assert 0 < len(sampled) < all_rows[1]
    assert checkout.settings.database.stat().st_mtime_ns == before
    assert checkout.query("select 1 from duckdb_tables() where table_name = 'feat_user_plan'") == []


def test_declared_features_cause_training(checkout: Checkout, first_run: dict[str, Any]) -> None:
    reason = json.dumps(first_run)
    assert "declared features have changed since the model was trained: feat_user_plan.plan, " in reason
    assert checkout.query("select plan from marts.feat_user_plan where cutoff = 'now' and user_id = 'u00001'") == [
        ("gold",)
    ]
    assert checkout.query("select count(*) from snapshots.crm_customers_history") == [(7,)]


@pytest.mark.usefixtures("first_run")
def test_unit_test_of_guide_passes(checkout: Checkout) -> None:
    """`recomart run` runs no unit tests."""
    checkout.dbt("test", "--select", "test_user_plan_ignores_future")


@pytest.mark.usefixtures("first_run")
def test_evaluation_shows_ablations(checkout: Checkout) -> None:
    evaluation = json.loads(checkout.recomart("evaluate", "--json").stdout)
    methods = {row["method"] for row in evaluation["differences"]}
    own_features = (
        "feat_user_plan.plan",
        "feat_user_viewed_brands.viewed_brand_count_14d",
        "product_materials.material",
    )
    assert {f"without {feature}" for feature in own_features} < methods
    assert "without ml_product_features.brand" not in methods
    assert "without product_materials.material" in checkout.recomart("evaluate").stdout
    assert checkout.query("select count(*) from marts.eval_model_runs where best_baseline like 'without%'") == [(0,)]


@pytest.mark.usefixtures("first_run")
def test_features_explain_and_serve(checkout: Checkout) -> None:
    explanation = json.loads(checkout.recomart("explain", "--user", "u00001", "--product", "p00007", "--json").stdout)
    parts = [*explanation["contributions"], *explanation["feature_contributions"]]
    assert sum(part["contribution"] for part in parts) == pytest.approx(explanation["score"], rel=1e-3, abs=1e-6)
    values = {part["feature"]: part["value"] for part in explanation["feature_contributions"]}
    assert values["feat_user_plan.plan"] == "gold"
    newcomer = json.loads(checkout.recomart("recommend", "--user", "newcomer", "--json").stdout)
    assert len(newcomer["recommendations"]) > 0
    assert not newcomer["is_fallback"]
    assert "has no actions" in newcomer["notes"][0]


@pytest.mark.usefixtures("first_run")
def test_dataset_version_restores_features(checkout: Checkout) -> None:
    """A training on the stored version of the features gives the same factors."""
    (dataset_hash, artifact), *_ = checkout.query(
        "select dataset_hash, artifact_path from ml.model_runs order by trained_at desc"
    )
    checkout.recomart("train", "--dataset", str(dataset_hash)[:12])
    ((again, same_hash),) = checkout.query(
        "select artifact_path, dataset_hash from ml.model_runs order by trained_at desc limit 1"
    )
    assert same_hash == dataset_hash
    tensors = [(checkout.settings.warehouse / path / "tensors.safetensors").read_bytes() for path in (artifact, again)]
    assert tensors[0] == tensors[1]


@pytest.mark.usefixtures("first_run")
def test_dagster_loads_own_resources(checkout: Checkout) -> None:
    keys = checkout.run(sys.executable, "-c", LOAD_DEFINITIONS).stdout.split()
    assert {
        "marts/feat_user_plan", "seeds/product_materials", "snapshots/crm_customers_history", "crm/customers",
    } <= set(keys)  # fmt: skip


def test_untested_feature_refuses_training(checkout: Checkout, first_run: dict[str, Any]) -> None:
    """A seed with a repeated key is loaded without its test."""
    seed = checkout.project / "dbt_project" / "seeds" / "product_materials.csv"
    text = seed.read_text(encoding="utf-8")
    seed.write_text(text + "p00001,steel\n", encoding="utf-8")
    assert first_run
    try:
        checkout.dbt("seed", "--select", "product_materials")
        message = checkout.recomart("train", is_successful=False).stderr
    finally:
        seed.write_text(text, encoding="utf-8")
        checkout.dbt("build", "--select", "product_materials")
    assert "training refused" in message
    assert "valid_rows_product_materials" in message
