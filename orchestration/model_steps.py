"""The training step of a run, and descriptions of the steps that need a model."""

from collections.abc import Callable
from dataclasses import replace

from models_ml.config import TrainConfig
from models_ml.evaluation.baselines import read_oracle
from orchestration.batch_scoring import ScoringSummary
from orchestration.retraining import TrainingRequest, find_due_training
from orchestration.training_run import TrainingSummary, train_model
from warehouse.formatting import format_count
from warehouse.settings import Settings


def train_if_due(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    is_training_requested: bool | None = None,
) -> TrainingSummary | None:
    """Train if a training is due; `is_training_requested` overrides the policy. Return None without a training.

    Raises:
        RecomartError: The policy is wrong, or the training fails (see `train_model`).
    """
    if is_training_requested is False:
        return None
    request = (
        TrainingRequest("it was requested", is_warm_start=False)
        if is_training_requested
        else find_due_training(settings, config)
    )
    if request is None:
        return None
    on_stage(f"training ({'warm' if request.is_warm_start else 'cold'} start) because {request.reason}")
    return replace(
        train_model(
            settings, config, on_stage, is_warm_start=request.is_warm_start, oracle=read_oracle(settings.demo_truth_dir)
        ),
        reason=request.reason,
    )


def describe_training(summary: TrainingSummary | None) -> str:
    """Return one line about a training run, or about why there was none."""
    if summary is None:
        return "no training is due"
    rejection_text = f"; rejected: {summary.rejection_reason}" if summary.rejection_reason else ""
    return (
        f"trained because {summary.reason}; {format_count(summary.interactions, 'interaction')} of "
        f"{format_count(summary.users, 'customer')} and {format_count(summary.products, 'product')}, "
        f"{format_count(summary.epochs, 'epoch')}{rejection_text}"
    )


def describe_scoring(summary: ScoringSummary | None) -> str:
    """Return one line about a scoring."""
    if summary is None:
        return "no model may serve yet: all customers get popular products"
    state = "serves from now on" if summary.is_newly_serving else "continues to serve"
    counts = (
        f"{format_count(summary.candidate_count, 'candidate')} for {format_count(summary.customer_count, 'customer')}"
    )
    challengers = f"; experiment: model {', '.join(summary.challengers)}" if summary.challengers else ""
    return f"{counts}; model {summary.run_id} {state}{challengers}"
