"""docs/extending.md and docs/model_features.md, done as an analyst does it: their files in a copy of the checkout."""

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

GUIDES = [PROJECT_ROOT / "docs" / name for name in ("extending.md", "model_features.md")]
SAMPLE_COMMAND = ("build", "--target", "dev", "--vars", "{sample_share: 0.1}")
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
        """Write the files of the guides; return their names."""
        files = dict(FILE_PATTERN.findall("\n".join(guide.read_text(encoding="utf-8") for guide in GUIDES)))
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

    def dbt(self, *args: str) -> str:
        """Run `dbt` of the copy; return its output."""
        return self.run(find_dbt_executable(), *args, folder="dbt_project").stdout

    def query(self, sql: str, database: str = "recomart") -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with duckdb.connect(str(self.settings.warehouse / f"{database}.duckdb"), read_only=True) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return rows


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the project with the files of the guides, after a first run without them."""
    copy = Checkout(tmp_path_factory.mktemp("extending"))
    copy.recomart("demo-data", *DEMO)
    copy.recomart("run")
    assert len(copy.write_guide_files()) == 15
    return copy


@pytest.fixture(scope="module")
def first_run(checkout: Checkout) -> dict[str, Any]:
    """The result of the run after the files were added."""
    result: dict[str, Any] = json.loads(checkout.recomart("run", "--json").stdout)
    return result


def test_sample_builds_in_dev_only(checkout: Checkout) -> None:
    before = checkout.settings.database.stat().st_mtime_ns
    assert "dbt build --target dev --vars '{sample_share: 0.1}' " in GUIDES[0].read_text(encoding="utf-8")
    checkout.dbt(*SAMPLE_COMMAND)
    count = "select count(*), count(distinct user_id) from marts.fct_events where user_id is not null"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{checkout.settings.warehouse / 'recomart_dev.duckdb'}' as dev (read_only)")
        connection.execute(f"attach '{checkout.settings.database}' as recomart (read_only)")
        connection.execute("use dev")
        sampled = connection.execute("select distinct user_id from dev.marts.dim_users").fetchall()
        rows = connection.execute(count).fetchall()[0]
    all_rows = checkout.query(count)[0]
    assert 0.03 < rows[1] / all_rows[1] < 0.2
    assert 0 < rows[0] < 0.4 * all_rows[0]
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
    assert re.search(r"left out tests: 2 of .*, such as \w+_product_materials\w* \(due\)", message)


def test_guide_sql_is_linted(checkout: Checkout) -> None:
    names = [name for name in checkout.write_guide_files() if name.endswith(".sql") and "/models/" in name]
    assert names
    checkout.run(str(Path(sys.executable).with_name("sqlfluff")), "lint", "--disable-progress-bar", *names)


@pytest.mark.usefixtures("first_run")
def test_changed_sql_rebuilds_own_table(checkout: Checkout) -> None:
    """A changed macro of an incremental model changes the earlier days, too."""
    total = "select sum(view_count), count(distinct viewed_on) from marts.fct_product_view_days"
    ((views, days),) = checkout.query(total)
    assert days > 10
    checkout.dbt("build", "--select", "fct_product_view_days")
    assert checkout.query(total) == [(views, days)]
    macro = checkout.project / "dbt_project" / "macros" / "day_of.sql"
    text = macro.read_text(encoding="utf-8")
    macro.write_text(text.replace("cast({{ column }} as date)", "date_trunc('month', {{ column }})::date"), "utf-8")
    try:
        checkout.dbt("build", "--select", "fct_product_view_days")
        ((month_views, months),) = checkout.query(total)
    finally:
        macro.write_text(text, encoding="utf-8")
    assert month_views == views
    assert months < 3


@pytest.mark.usefixtures("first_run")
def test_unmarked_personal_columns_are_warned_of(checkout: Checkout) -> None:
    """The columns of the guide are marked; those of a table that is not built yet are found in its yml file."""
    folder = checkout.project / "dbt_project" / "models" / "own"
    assert "has data of single customers" not in checkout.dbt("build", "--select", "audit_pii")
    folder.mkdir()
    (folder / "contacts.sql").write_text("select 'a@b.example' as billing_email, 1 as rank", encoding="utf-8")
    (folder / "contacts.yml").write_text(
        "models: [{name: contacts, columns: [{name: billing_email}, {name: rank}]}]\n", encoding="utf-8"
    )
    try:
        output = checkout.dbt("build", "--select", "audit_pii")
    finally:
        shutil.rmtree(folder)
    assert output.count("has data of single customers") == 1
    assert "contacts.billing_email has data of single customers" in output


@pytest.mark.usefixtures("first_run")
def test_forgotten_customer_is_no_feature(checkout: Checkout) -> None:
    """The file of the customer system still has the forgotten customer; now it has one single plan."""
    file = checkout.settings.warehouse / "crm" / "customers.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("basic", "gold"), encoding="utf-8")
    forgetting = checkout.recomart("forget", "u00001", is_successful=False)
    assert "snapshots.crm_customers_history; crm/customers.csv" in forgetting.stderr
    training = checkout.recomart("train")
    assert "declared feature feat_user_plan.plan has the single value 'gold'" in training.stderr
    assert checkout.query("select count(*) from marts.feat_user_plan where user_id = 'u00001'") != [(0,)]
    ((dataset, artifact),) = checkout.query(
        "select dataset_hash, artifact_path from ml.model_runs order by trained_at desc limit 1"
    )
    dataset_file = checkout.settings.datasets_dir / str(dataset) / "features.parquet"
    artifact_file = checkout.settings.warehouse / str(artifact) / "customers_with_features.parquet"
    for path, column in ((dataset_file, "subject_id"), (artifact_file, "user_id")):
        customers = duckdb.sql(f"select {column} from '{path}'").fetchall()
        assert ("u00003",) in customers
        assert ("u00001",) not in customers
    file.write_text(file.read_text(encoding="utf-8").replace("u00001,gold,2025-12-01\n", ""), encoding="utf-8")
    (checkout.settings.warehouse / "recomart_dev.duckdb").unlink(missing_ok=True)
    checkout.recomart("forget", "u00001")
