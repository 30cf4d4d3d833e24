"""Tests of the hyperparameter search."""

from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation.selection import select_params
from models_ml.evaluation.window import EvaluationWindow
from models_ml.tuning import SearchSpace, TrialReport, tune

SPACE = SearchSpace(factors=(8, 16), screening_trials=2)


@pytest.fixture(scope="module")
def window(dataset: Dataset) -> EvaluationWindow:
    """The validation window of the shop."""
    window = EvaluationWindow.from_dataset(dataset, "validation", 10_000)
    assert window is not None
    return window


def test_best_trial_is_reproducible(window: EvaluationWindow, config: TrainConfig) -> None:
    reports: list[TrialReport] = []
    result = tune((window,), config, seconds=600, max_trials=6, space=SPACE, on_trial=reports.append)
    selected_params, _ = select_params((window,), result.config, lambda _: None)
    assert selected_params == result.selected_params
    assert [report.number for report in reports] == list(range(6))
    full_trials = result.trials[result.trials["stage"] == "full"]
    assert result.selected_params.validation_ndcg == reports[-1].best_ndcg == full_trials["ndcg"].max()
    assert [report.stage for report in reports] == ["full", "screening", "screening", "full", "full", "screening"]
    assert result.default_ndcg == select_params((window,), config, lambda _: None)[0].validation_ndcg
    assert result.selected_params.validation_ndcg >= result.default_ndcg


def test_trials_depend_on_seed(window: EvaluationWindow, config: TrainConfig) -> None:
    first, repeated, other = [
        tune((window,), config.model_copy(update={"seed": seed}), seconds=600, max_trials=4, space=SPACE).trials
        for seed in (1, 1, 2)
    ]
    assert first["regularization"].tolist() == repeated["regularization"].tolist()
    assert first["regularization"].tolist() != other["regularization"].tolist()


def test_journal_continues_search(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    journal = tmp_path / "study" / "journal.log"
    first = tune((window,), config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    continued = tune((window,), config, seconds=600, max_trials=4, space=SPACE, journal=journal)
    assert first.trials["number"].tolist() == [0, 1]
    assert continued.trials["number"].tolist() == [0, 1, 2, 3]
    assert continued.trials["ndcg"].tolist()[:2] == first.trials["ndcg"].tolist()
    complete = tune((window,), config, seconds=600, max_trials=4, space=SPACE, journal=journal)
    assert complete.config == continued.config
    assert len(complete.trials) == 4


def test_journal_separates_other_settings(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    tune((window,), config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    for change in ({"selection_k": 5}, {"factors": 24}, {"content_prior_customers": 0.0}):
        other = tune(
            (window,), config.model_copy(update=change), seconds=600, max_trials=2, space=SPACE, journal=journal
        )
        assert other.trials["number"].tolist() == [0, 1]
    # A changed initial value does not restart the search; the search adds a trial of it.
    changed = config.model_copy(update={"regularization": 0.2})
    result = tune((window,), changed, seconds=600, max_trials=6, space=SPACE, journal=journal)
    assert result.default_ndcg == select_params((window,), changed, lambda _: None)[0].validation_ndcg


def test_pruned_trial_has_no_ndcg(window: EvaluationWindow, config: TrainConfig) -> None:
    space = SPACE.model_copy(update={"screening_trials": 8, "regularization": (0.02, 0.9)})
    result = tune((window,), config, seconds=600, max_trials=20, space=space)
    pruned = result.trials[result.trials["state"] == "pruned"]
    assert len(pruned)
    assert pruned["ndcg"].isna().all()


def test_search_continues_after_failed_trial(window: EvaluationWindow, config: TrainConfig) -> None:
    collapsing = config.model_copy(update={"regularization": 5.0})
    space = SPACE.model_copy(update={"regularization": (0.03, 10.0)})
    result = tune((window,), collapsing, seconds=600, max_trials=6, space=space)
    assert "collapsed to zero" in result.trials["failure"][0]
    assert result.default_ndcg is None
    assert result.config.regularization < 5


def test_search_without_completed_trial_fails(window: EvaluationWindow, config: TrainConfig) -> None:
    collapsing = config.model_copy(update={"regularization": 5.0})
    with pytest.raises(ModelError, match=r"no trial was completed: all factors collapsed to zero"):
        tune(
            (window,), collapsing, seconds=600, max_trials=1, space=SPACE.model_copy(update={"regularization": (4, 6)})
        )


def test_time_limit_keeps_first_trial(window: EvaluationWindow, config: TrainConfig) -> None:
    result = tune((window,), config, seconds=0.001, space=SPACE)
    assert len(result.trials) == 1
    assert result.selected_params.validation_ndcg == result.default_ndcg
