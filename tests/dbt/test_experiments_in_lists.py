"""Experiments in the recommendation lists: an analyst edits experiments.csv of a trained shop, scores and builds."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from apps.recommendations.recommendation_queries import RecommendationQueries
from models_ml.config import TrainConfig
from models_ml.inference.recommender import Recommender
from orchestration.batch_scoring import score_customers
from orchestration.model_registry import find_serving_run, list_model_runs
from orchestration.steps import publish_copy
from orchestration.training_run import train_model
from tests.analyst_project import AnalystProject
from tests.apps.service.conftest import run_service
from warehouse.database import open_writer
from warehouse.errors import RecomartError
from warehouse.experiments import ExperimentArm, assign_arm
from warehouse.settings import Settings

POOR_CONFIG = TrainConfig(factors=1, max_epochs=1, graph_weights=())
"""A model that fails the gates, and ranks otherwise than the serving model."""

SEEDS = "experiments+ source:merchandising+"
POLICIES = {"control": "model", "holdout": "none", "popular": "popularity", "ruled": "rules:Shoes"}
SHARES = {"challenger": 0.2, "control": 0.2, "holdout": 0.1, "popular": 0.2, "ruled": 0.2}
EXPERIMENT = "ranking"


class ExperimentShop(NamedTuple):
    """A shop with an experiment of all policies, before and after the challenger scored."""

    analyst: AnalystProject
    serving_run_id: str
    challenger_run_id: str
    lists_before: dict[str, list[tuple[str, str]]]
    first_output: str
    lists_after_first_build: dict[str, list[tuple[str, str]]]
    new_pin: str

    def write_experiments(self, **changes: str) -> None:
        """Write the experiment, with other policies for some arms."""
        policies = {"challenger": f"model:{self.challenger_run_id}", **POLICIES, **changes}
        rows = [(EXPERIMENT, arm, SHARES[arm], policy, "2020-01-01", "") for arm, policy in policies.items()]
        self.analyst.write("experiments", *rows)

    def forget_experiment(self) -> None:
        """Make the experiment one that no build has seen, so that it can change."""
        with open_writer(self.analyst.settings) as connection:
            connection.execute("delete from marts.rec_experiments")

    def list_users(self, arm: str) -> set[str]:
        rows = self.analyst.query(f"select user_id from marts.rec_customer_arms where arm = '{arm}'")
        return {user for (user,) in rows}


@pytest.fixture(scope="module")
def shop(demo_warehouse: Settings, analyst_folder: Path) -> ExperimentShop:
    analyst = AnalystProject(demo_warehouse, analyst_folder)
    lists_before = analyst.read_lists()
    serving_run = find_serving_run(list_model_runs(analyst.settings))
    assert serving_run is not None
    challenger = train_model(analyst.settings, POOR_CONFIG)
    # A product without popularity, which is in no list of popular products.
    ((new_pin,),) = analyst.query(
        "select min(product_id) from marts.rec_product_rules where is_recommendable and product_id not in "
        "(select product_id from marts.rec_popular_products) and category <> 'shoes'"
    )
    analyst.write_rules(
        {"kind": "block", "scope": "category", "value": "Shoes", "reason": "test", "rule_set": "Shoes"},
        {"kind": "pin", "scope": "product", "value": new_pin, "position": 2, "rule_set": "shoes"},
    )
    unscored = ExperimentShop(analyst, serving_run.run_id, challenger.run_id, lists_before, "", {}, new_pin)
    unscored.write_experiments()
    first_result = analyst.build(SEEDS)
    assert first_result.returncode == 1, first_result.stdout[-3000:]
    shop = unscored._replace(first_output=first_result.stdout, lists_after_first_build=analyst.read_lists())
    scoring = score_customers(analyst.settings)
    assert scoring is not None
    assert (scoring.run_id, scoring.challengers) == (serving_run.run_id, (challenger.run_id,))
    result = analyst.build(SEEDS)
    assert result.returncode == 0, result.stdout[-3000:]
    return shop


@pytest.fixture(scope="module")
def queries(shop: ExperimentShop) -> Iterator[RecommendationQueries]:
    published = publish_copy(shop.analyst.settings)
    assert published.run_id == shop.serving_run_id
    with RecommendationQueries(shop.analyst.settings) as queries:
        yield queries


def test_unscored_challenger_stops_build(shop: ExperimentShop) -> None:
    assert "experiments.csv: experiment 'ranking', arm 'challenger'" in shop.first_output
    assert "the model has scored only 0 of " in shop.first_output
    assert shop.lists_after_first_build == shop.lists_before


def test_assignments_equal_python(shop: ExperimentShop) -> None:
    arms = [ExperimentArm(EXPERIMENT, arm, "", share) for arm, share in SHARES.items()]
    assigned = dict(shop.analyst.query("select user_id, arm from marts.rec_customer_arms"))
    users = [user for (user,) in shop.analyst.query("select user_id from marts.dim_users")]
    expected = {user: arm.arm for user in users if (arm := assign_arm(arms, user))}
    assert assigned == expected
    assert Counter(assigned.values()).keys() == SHARES.keys()
    assert 0.8 < len(assigned) / len(users) < 1


def test_lists_follow_policies(shop: ExperimentShop) -> None:
    lists = shop.analyst.read_lists()
    users = {arm: shop.list_users(arm) for arm in SHARES}
    others = lists.keys() - set().union(*users.values())
    for user in others | users["control"]:
        assert lists[user] == shop.lists_before[user]
    assert lists.keys().isdisjoint(users["holdout"])
    for user in users["popular"]:
        assert {source for _, source in lists[user]} == {"popularity"}
    changed = [user for user in users["challenger"] if lists[user] != shop.lists_before[user]]
    assert len(changed) > len(users["challenger"]) / 2
    shoes = {
        product
        for (product,) in shop.analyst.query("select product_id from marts.dim_products where category = 'shoes'")
    }
    for user in users["ruled"]:
        products = [product for product, _ in lists[user]]
        assert shoes.isdisjoint(products)
        assert lists[user][1] == (shop.new_pin, "pinned") or shop.new_pin not in products


def test_run_ids_are_those_of_arms(shop: ExperimentShop) -> None:
    rows = shop.analyst.query(
        "select coalesce(arms.arm, ''), lists.run_id from marts.rec_top_n as lists "
        "left join marts.rec_customer_arms as arms using (user_id) group by all"
    )
    assert dict(rows) == {
        "": shop.serving_run_id, "control": shop.serving_run_id, "ruled": shop.serving_run_id,
        "challenger": shop.challenger_run_id, "popular": None,
    }  # fmt: skip


def test_audits_leave_out_holdout(shop: ExperimentShop) -> None:
    ((count, shortest),) = shop.analyst.query(
        "select sum(customer_count), min(list_length) from marts.audit_list_lengths"
    )
    ((users,),) = shop.analyst.query("select count(*) from marts.dim_users")
    assert (count, shortest > 0) == (users - len(shop.list_users("holdout")), True)
    assert shop.analyst.query(
        "select count(*) from marts.audit_candidates inner join marts.rec_customer_arms using (user_id) "
        "where arm in ('holdout', 'popular')"
    ) == [(0,)]


def test_queries_answer_by_arm(shop: ExperimentShop, queries: RecommendationQueries) -> None:
    lists = shop.analyst.read_lists()
    for arm in SHARES:
        user = min(shop.list_users(arm))
        result = queries.recommend_for_customer(user, 50)
        assert (result.experiment, result.arm) == (EXPERIMENT, arm)
        assert result.recommendations["product_id"].tolist() == [product for product, _ in lists.get(user, [])]
        customer_arm = queries.serving_copy.get_customer_arm(user)
        assert customer_arm is not None
        assert (customer_arm["arm"], customer_arm["run_id"]) == (arm, result.run_id)
    holdout = queries.recommend_for_customer(min(shop.list_users("holdout")), 10)
    assert (holdout.is_fallback, len(holdout.notes)) == (False, 1)
    assert "gets no recommendations in arm 'holdout' of experiment 'ranking'" in holdout.notes[0]


def test_challenger_explains_its_scores(shop: ExperimentShop, queries: RecommendationQueries) -> None:
    user = min(shop.list_users("challenger"))
    recommendations = queries.recommend_for_customer(user, 5).recommendations
    is_model = recommendations["source"] == "model"
    product, score = recommendations[is_model][["product_id", "score"]].to_numpy()[0]
    assert queries.explain(product, user_id=user).score == pytest.approx(score, abs=1e-4)


def find_session(queries: RecommendationQueries, arm_name: str) -> str:
    sessions = (f"session {number}" for number in range(10_000))
    return next(
        session for session in sessions if (arm := assign_arm(queries.arm_models.arms, session)) and arm.arm == arm_name
    )


def test_unknown_visitors_have_arms(shop: ExperimentShop, queries: RecommendationQueries) -> None:
    ((basket_product,),) = shop.analyst.query("select min(product_id) from ml.candidates")
    without_session = queries.recommend_for_basket([basket_product], 10)
    assert (without_session.experiment, without_session.run_id) == (None, shop.serving_run_id)
    for arm in SHARES:
        session = find_session(queries, arm)
        basket = queries.recommend_for_basket([basket_product], 10, visitor_id=session)
        similar = queries.find_similar(basket_product, 10, visitor_id=session)
        new_customer = queries.recommend_for_customer(session, 10)
        assert {(result.experiment, result.arm) for result in (basket, similar, new_customer)} == {(EXPERIMENT, arm)}
        is_empty = [result.recommendations.empty for result in (basket, similar, new_customer)]
        assert is_empty == [arm == "holdout"] * 3
        if arm == "control":
            assert basket.recommendations.equals(without_session.recommendations)
        if arm == "challenger":
            assert basket.run_id == shop.challenger_run_id
            assert not basket.recommendations.equals(without_session.recommendations)
        if arm == "popular":
            assert set(basket.recommendations["source"]) == {"popularity"}
            assert not basket.is_fallback
        if arm == "ruled":
            for result in (basket, new_customer):
                assert result.recommendations[["product_id", "source"]].to_numpy()[1].tolist() == [
                    shop.new_pin, "pinned",
                ]  # fmt: skip
                assert "shoes" not in set(result.recommendations["category"])


def test_customer_decides_arm_over_http(shop: ExperimentShop, queries: RecommendationQueries) -> None:
    """A customer of the holdout gets no list, whatever the arm of the session is."""
    ((product,),) = shop.analyst.query("select min(product_id) from ml.candidates")
    visitor = {"user_id": min(shop.list_users("holdout")), "session_id": find_session(queries, "control")}
    with run_service(shop.analyst.settings) as client:
        answers = [
            client.post("/recommendations", {"basket": [{"product_id": product}], **visitor}).json(),
            client.get(f"/products/{product}/similar", **visitor).json(),
        ]
    assert [(answer["arm"], answer["recommendations"]) for answer in answers] == [("holdout", [])] * 2


def test_models_load_once(shop: ExperimentShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arm with other merchandising rules has the serving model, restricted to other products."""
    loaded = []
    load = Recommender.load
    monkeypatch.setattr(Recommender, "load", lambda folder: loaded.append(folder.name) or load(folder))
    with RecommendationQueries(shop.analyst.settings) as queries:
        recommenders = list(queries.arm_models.iter_recommenders())
    assert sorted(loaded) == sorted([shop.serving_run_id, shop.challenger_run_id])
    assert len(recommenders) == 3


def test_challenger_does_not_begin_to_serve(shop: ExperimentShop) -> None:
    scoring = score_customers(shop.analyst.settings)
    assert scoring is not None
    assert (scoring.run_id, scoring.is_newly_serving) == (shop.serving_run_id, False)


@pytest.mark.slow
def test_invalid_experiments_stop_build(shop: ExperimentShop) -> None:
    """The message names the line; the lists do not change."""
    lists = shop.analyst.read_lists()
    try:
        shop.analyst.write(
            "experiments",
            ("a", "x", 0.7, "model", "2020-01-01", "2020-02-01"),
            ("a", "y", 0.4, "popular", "2020-01-02", "2020-02-01"),
            ("b", "x", 0, "model:", "2020-01-20", "2020-01-10"), ("c", "", 0.12345, "none", "", ""),
            ("d", "x", 0.1, "none", "2021-01-01", ""), ("d", "x", 0.1, "rules:unknown", "2021-01-01", ""),
        )  # fmt: skip
        result = shop.analyst.build(SEEDS)
        assert result.returncode == 1
        for error in (
            "experiments.csv, line 'a,x,0.7,model,2020-01-01,2020-02-01': one arm must be named control; the shares of "
            "the experiment are more than 1 together; all arms of an experiment must have the same starts_on and",
            "line 'a,y,0.4,popular,2020-01-02,2020-02-01': policy must be model, model:RUN, popularity, none or",
            "line 'b,x,0,model:,2020-01-20,2020-01-10': share must be above 0 and 1 at most; policy must be model,",
            "ends_on must be later than starts_on; the experiment needs at least two arms",
            "line 'c,,0.12345,none,,': arm must name the arm; share must have four decimals at most; "
            "starts_on is missing",
            "line 'd,x,0.1,none,2021-01-01,': the arm has more than one line",
        ):
            assert error in result.stdout
        assert shop.analyst.read_lists() == lists
        shop.analyst.write(
            "experiments",
            *(("a", arm, 0.5, "model", "2020-01-01", "2020-02-02") for arm in ("control", "x")),
            *(("b", arm, 0.5, "model", "2020-02-01", "") for arm in ("control", "x")),
        )
        result = shop.analyst.build(SEEDS)
        assert "experiments 'a' and 'b' are both active on 2020-02-01" in result.stdout
        assert shop.analyst.read_lists() == lists
        shop.forget_experiment()
        shop.write_experiments(ruled="rules:unknown")
        result = shop.analyst.build(SEEDS)
        assert "arm 'ruled': no live merchandising rule has the rule set 'unknown'" in result.stdout
        assert shop.analyst.read_lists() == lists
    finally:
        shop.write_experiments()
        assert shop.analyst.build(SEEDS).returncode == 0


@pytest.mark.slow
def test_unknown_challenger_stops_scoring(shop: ExperimentShop) -> None:
    try:
        shop.forget_experiment()
        shop.write_experiments(challenger="model:unknown")
        shop.analyst.build("experiments int_active_experiments int_experiment_assignments")
        with pytest.raises(RecomartError, match=r"experiments\.csv: experiment 'ranking', arm 'challenger', policy"):
            score_customers(shop.analyst.settings)
    finally:
        shop.write_experiments()
        assert shop.analyst.build(SEEDS).returncode == 0


@pytest.mark.slow
def test_changed_experiment_stops_build(shop: ExperimentShop) -> None:
    """Only a proportional growth and a later end are allowed; the lists do not change otherwise."""
    test = "assert_running_experiment_unchanged"
    rows = {
        arm: [EXPERIMENT, arm, share, POLICIES.get(arm, f"model:{shop.challenger_run_id}"), "2020-01-01", ""]
        for arm, share in SHARES.items()
    }

    def build(*changed_rows: list[object]) -> str:
        shop.analyst.write("experiments", *changed_rows)
        result = shop.analyst.build(f"experiments int_active_experiments {test}")
        assert (result.returncode == 0) == ("is running and must not change" not in result.stdout)
        return result.stdout

    try:
        other = {arm: [*row] for arm, row in rows.items() if arm != "holdout"}
        other["popular"][3] = "none"
        other["ruled"][2] = 0.3
        output = build(*other.values(), [EXPERIMENT, "fresh", 0.1, "none", "2020-01-01", ""])
        assert "arm 'popular' had the policy popularity" in output
        assert "arm 'ruled' had 2000 of 9000 ten-thousandths of the shares" in output
        assert "arm 'holdout' is missing. To end the" in output
        assert "arm 'fresh' is new" in output
        assert "arm 'popular' had starts_on 2020-01-01" in build(
            *([*row[:4], "2020-01-02", ""] for row in rows.values())
        )
        assert "arm 'popular' was active on " in build(*([*row[:5], "2020-01-02"] for row in rows.values()))
        smaller = [[*row[:2], SHARES[arm] / 2, *row[3:]] for arm, row in rows.items()]
        assert "belongs to shares that have become smaller" in build(*smaller)
        grown = [[*row[:2], SHARES[arm] * 1.1, *row[3:5], "2999-01-01"] for arm, row in rows.items()]
        assert "is running" not in build(*grown)
    finally:
        shop.write_experiments()
        assert shop.analyst.build(SEEDS).returncode == 0
