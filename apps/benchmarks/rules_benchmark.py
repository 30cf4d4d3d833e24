"""The benchmark of the rules: the page Rules in a headless Chromium, and the stop of a product in the HTTP service."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.app_browser import TIMEOUT_SECONDS, open_browser, require_browser, run_app
from apps.benchmarks.boost_comparison import BoostComparison, compare_boosts
from apps.benchmarks.measurement import get_machine_info
from apps.benchmarks.rules_page import RulesPage
from apps.benchmarks.serving_benchmark import run_service
from apps.benchmarks.targets import Target
from warehouse.backups.backup import create_backup
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.publishing.published_rules import read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import PROJECT_ROOT, Settings

MAX_PREVIEW_SECONDS = 5
MAX_LIVE_SECONDS = 30
MAX_STOP_SECONDS = 5

MAX_BUILD_SECONDS = 300
POLL_SECONDS = 0.02
LIST_LENGTH = 10
USER = "benchmark"
REASON = "benchmark"

PREVIEW = "from the form to the preview"
SUBMIT = "from Submit to the live lists"
STOP_IN_APP = "stop now: from Submit to the HTTP answer"
STOP_BY_COMMAND = "stop now: from the command to the HTTP answer"


class StepTime(BaseModel):
    """Seconds of a step."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    step: str
    median_seconds: float
    slowest_seconds: float


class RulesResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    customers: int
    products: int
    repetitions: int
    steps: list[StepTime]
    boosts: BoostComparison

    @property
    def targets(self) -> list[Target]:
        """The targets of the demo shop, for the slowest of the repetitions."""
        limits = {
            PREVIEW: MAX_PREVIEW_SECONDS,
            SUBMIT: MAX_LIVE_SECONDS,
            STOP_IN_APP: MAX_STOP_SECONDS,
            STOP_BY_COMMAND: MAX_STOP_SECONDS,
        }
        return [
            Target.evaluate(f"{step.step}, slowest s", step.slowest_seconds, limits[step.step])
            for step in self.steps
            if step.step in limits
        ]


def run_rules_benchmark(
    template: Settings, work_dir: Path, repetitions: int = 3, on_stage: Callable[[str], None] = lambda _: None
) -> RulesResult:
    """Measure boosts and blocks on a copy of a warehouse, and compare ways to boost.

    Args:
        template: The warehouse to copy; it does not change.
        work_dir: Folder for the copy, which must not have one yet.
        repetitions: Rules of each kind, each for another brand or product.
        on_stage: Called with a description of each stage.

    Raises:
        RecomartError: Chromium, its driver or selenium is not installed, the warehouse has no published copy, the copy
            exists, or a step does not end in time.
    """
    require_browser()
    machine = get_machine_info()
    published = read_pointer(template)
    settings = template.model_copy(update={"warehouse": work_dir / "warehouse", "landing": None})
    if settings.warehouse.exists():
        raise RecomartError(f"{settings.warehouse}: the folder exists. Name another folder with --work-dir")
    on_stage("copy of the warehouse")
    create_backup(template, settings.warehouse)
    settings.landing_dir.mkdir()
    boosts = compare_boosts(settings)
    on_stage("first build, which is not measured")
    # dbt parses the project for the new folder, as the first run of a shop does.
    _run_command(settings, "rules", "apply")
    with (
        run_service(settings) as service,
        run_app(settings, "--edit") as (url, _),
        open_browser(work_dir / "browser") as browser,
    ):
        seconds = _measure_rules(settings, RulesPage(browser, url), service.port, repetitions, on_stage)
    return RulesResult(
        machine=machine,
        customers=published.rows["dim_users"],
        products=published.rows["dim_products"],
        repetitions=repetitions,
        steps=[
            StepTime(
                step=step,
                median_seconds=round(statistics.median(values), 2),
                slowest_seconds=round(max(values), 2),
            )
            for step, values in seconds.items()
        ],
        boosts=boosts,
    )


def _measure_rules(
    settings: Settings, page: RulesPage, port: int, repetitions: int, on_stage: Callable[[str], None]
) -> dict[str, list[float]]:
    """Return the seconds of each repetition by step."""
    customer, brands = _choose_lists(settings, repetitions)
    # The first visit of all loads the app's libraries, and is not measured.
    page.open_form()
    steps: dict[str, list[float]] = {}

    def add(step: str, seconds: float) -> None:
        steps.setdefault(step, []).append(seconds)

    for number, brand in enumerate(brands, start=1):
        on_stage(f"boost {number} of {len(brands)}")
        form_seconds, preview_seconds = page.preview_boost(brand, USER, REASON)
        add("the form alone: opened and filled in", form_seconds)
        add("the preview alone", preview_seconds)
        add(PREVIEW, form_seconds + preview_seconds)
        add(SUBMIT, _measure_build(settings, page))
    for number in range(1, repetitions + 1):
        on_stage(f"block {number} of {repetitions}")
        product = _read_list(port, customer)[0]
        page.fill_block(product, USER, REASON)
        start = time.perf_counter()
        page.submit()
        add(STOP_IN_APP, _wait_until_stopped(port, customer, product, start))
        product = _read_list(port, customer)[0]
        start = time.perf_counter()
        _run_command(settings, "rules", "add", "block", "--product", product, "--user", USER, "--why", REASON)
        add(STOP_BY_COMMAND, _wait_until_stopped(port, customer, product, start))
    return steps


def _measure_build(settings: Settings, page: RulesPage) -> float:
    """Submit the rule of the form and build the lists; return the seconds until the published copy follows it."""
    file = read_pointer(settings).file
    start = time.perf_counter()
    page.submit()
    page.build_lists()
    while read_pointer(settings).file == file:
        page.raise_on_error()
        if time.perf_counter() - start > MAX_BUILD_SECONDS:
            raise RecomartError(f"benchmark failed: rules: no new lists were published in {MAX_BUILD_SECONDS} s")
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - start
    newest_rule = list(RuleStore(settings).read_rules())[-1]
    with ServingCopy(settings) as copy:
        if newest_rule not in read_applied_changes(copy):
            raise RecomartError(f"benchmark failed: rules: the new lists do not follow rule {newest_rule}")
    page.wait_for_build()
    return seconds


def _choose_lists(settings: Settings, brand_count: int) -> tuple[str, list[str]]:
    """Return a customer with a full list, and the brands with the most of the first ten places."""
    with ServingCopy(settings) as copy:
        customers = copy.query_frame("select min(user_id) as user_id from rec_top_n where rank = ?", LIST_LENGTH)
        brands = copy.query_frame(
            """
            select brand
            from rec_top_n
            where rank <= ? and brand is not null
            group by brand
            order by count(*) desc, brand
            limit ?
            """,
            LIST_LENGTH,
            brand_count,
        )
    return str(customers["user_id"].iloc[0]), list(brands["brand"])


def _read_list(port: int, customer: str) -> Sequence[str]:
    """Return the products of a customer's list in the HTTP service."""
    url = f"http://127.0.0.1:{port}/customers/{quote(customer, safe='')}/recommendations?n={LIST_LENGTH}"
    with urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        payload: dict[str, Any] = json.load(response)
    return [row["product_id"] for row in payload["recommendations"]]


def _wait_until_stopped(port: int, customer: str, product: str, start: float) -> float:
    """Ask the HTTP service until its answer is without a product; return the seconds since the start."""
    while product in _read_list(port, customer):
        if time.perf_counter() - start > TIMEOUT_SECONDS:
            raise RecomartError(f"benchmark failed: rules: the HTTP service still has the blocked product {product}")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - start


def _run_command(settings: Settings, *arguments: str) -> None:
    command = [sys.executable, "-c", "from apps.cli.entry_point import main; main()", *arguments]
    result = subprocess.run(
        command, cwd=PROJECT_ROOT, env=settings.build_environment(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RecomartError(f"benchmark failed: rules: recomart {' '.join(arguments)}: {result.stderr.strip()}")
