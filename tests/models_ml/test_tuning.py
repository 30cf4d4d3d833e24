"""The search for settings."""

from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation.selection import select_params
from models_ml.evaluation.window import EvaluationWindow
from models_ml.tuning import SearchSpace, TrialReport, tune

SPACE = SearchSpace(factors=(8, 16), startup_trials=3)


@pytest.fixture(scope="module")
def window(shop: Dataset) -> EvaluationWindow:
    window = EvaluationWindow.from_dataset(shop, "validation", 10_000)
    assert window is not None
    return window


def test_best_trial_is_reproducible(
    window: EvaluationWindow, config: TrainConfig
) -> None:
    reports: list[TrialReport] = []
    tuned = tune(window, config, seconds=600, max_trials=6, space=SPACE, on_trial=reports.append)
    picked, _ = select_params(window, tuned.config, lambda _: None)
    assert picked == tuned.selected_params
    assert [report.number for report in reports] == list(range(6))
    assert tuned.selected_params.validation_ndcg == reports[-1].best_ndcg == tuned.trials["ndcg"].max()
    assert tuned.default_ndcg == select_params(window, config, lambda _: None)[0].validation_ndcg
    assert tuned.selected_params.validation_ndcg >= tuned.default_ndcg


def test_trials_depend_on_seed(window: EvaluationWindow, config: TrainConfig) -> None:
    tried = [
        tune(window, config.model_copy(update={"seed": seed}), seconds=600, max_trials=4, space=SPACE).trials
        for seed in (1, 1, 2)
    ]
    assert tried[0]["regularization"].tolist() == tried[1]["regularization"].tolist()
    assert tried[0]["regularization"].tolist() != tried[2]["regularization"].tolist()


def test_journal_continues_search(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    journal = tmp_path / "study" / "journal.log"
    first = tune(window, config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    again = tune(window, config, seconds=600, max_trials=4, space=SPACE, journal=journal)
    assert first.trials["number"].tolist() == [0, 1]
    assert again.trials["number"].tolist() == [0, 1, 2, 3]
    assert again.trials["ndcg"].tolist()[:2] == first.trials["ndcg"].tolist()
    same = tune(window, config, seconds=600, max_trials=4, space=SPACE, journal=journal)
    assert same.config == again.config
    assert len(same.trials) == 4


def test_journal_separates_other_settings(
    window: EvaluationWindow, config: TrainConfig, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.log"
    tune(window, config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    for change in ({"selection_k": 5}, {"factors": 24}, {"content_prior_customers": 0.0}):
        other = tune(window, config.model_copy(update=change), seconds=600, max_trials=2, space=SPACE, journal=journal)
        assert other.trials["number"].tolist() == [0, 1]
    # What is searched may begin elsewhere: its own trial says how good the beginning is.
    elsewhere = config.model_copy(update={"regularization": 0.2})
    tuned = tune(window, elsewhere, seconds=600, max_trials=6, space=SPACE, journal=journal)
    assert tuned.default_ndcg == select_params(window, elsewhere, lambda _: None)[0].validation_ndcg


def test_pruned_trial_has_no_ndcg(window: EvaluationWindow, config: TrainConfig) -> None:
    space = SPACE.model_copy(update={"startup_trials": 1, "regularization": (0.02, 0.9)})
    tuned = tune(window, config, seconds=600, max_trials=12, space=space)
    broken_off = tuned.trials[tuned.trials["state"] == "pruned"]
    assert len(broken_off)
    assert broken_off["ndcg"].isna().all()


def test_search_continues_after_failed_trial(window: EvaluationWindow, config: TrainConfig) -> None:
    collapsing = config.model_copy(update={"regularization": 5.0})
    space = SPACE.model_copy(update={"regularization": (0.03, 10.0)})
    tuned = tune(window, collapsing, seconds=600, max_trials=6, space=space)
    assert "collapsed to zero" in tuned.trials["failure"][0]
    assert tuned.default_ndcg is None
    assert tuned.config.regularization < 5


def test_search_without_completed_trial_fails(window: EvaluationWindow, config: TrainConfig) -> None:
    collapsing = config.model_copy(update={"regularization": 5.0})
    with pytest.raises(ModelError, match=r"no setting could be tried to the end: all factors collapsed to zero"):
        tune(window, collapsing, seconds=600, max_trials=1, space=SPACE.model_copy(update={"regularization": (4, 6)}))


def test_time_limit_keeps_first_trial(window: EvaluationWindow, config: TrainConfig) -> None:
    tuned = tune(window, config, seconds=0.001, space=SPACE)
    assert len(tuned.trials) == 1
    assert tuned.selected_params.validation_ndcg == tuned.default_ndcg
