"""Tests of the trainer against dense solutions, and of failing trainings."""

import numpy as np
import pytest
import torch
from torch import Tensor

from models_ml.als.factor_model import FactorModel
from models_ml.als.trainer import AlsTrainer, EpochReport, fit, select_device
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from tests.models_ml.als.dense_reference import compute_confidences, compute_objective, solve_rows
from tests.models_ml.synthetic_tables import to_csr, to_dense


@pytest.mark.parametrize("block_mib", [1, 128])
def test_both_sides_reach_dense_solution(strength: Csr, block_mib: int) -> None:
    trainer = AlsTrainer(strength, TrainConfig(factors=8, cg_steps=40, block_mib=block_mib, device="cpu"))
    for side in (trainer.user_side, trainer.product_side):
        side.block_bounds = side.confidence.find_block_bounds(max_rows=7, max_entries=30)
    report = trainer.train_epoch()
    users, products = trainer.user_factors.double().numpy(), trainer.product_factors.double().numpy()
    confidence = to_dense(trainer.user_side.confidence)
    expected = solve_rows(confidence, products, trainer.unobserved_pair_weight, trainer.regularization)
    np.testing.assert_allclose(users, expected, rtol=1e-3, atol=1e-5)
    eigenvalues = trainer._rotate(trainer.user_factors)
    trainer.product_side.solve(trainer.product_factors, trainer.user_factors, eigenvalues, 40)
    expected = solve_rows(
        confidence.T, trainer.user_factors.double().numpy(), trainer.unobserved_pair_weight, trainer.regularization
    )
    np.testing.assert_allclose(trainer.product_factors.numpy(), expected, rtol=1e-3, atol=1e-5)
    assert report.epoch == 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_thread_count_changes_no_bit(strength: Csr, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models_ml.als.trainer.MAX_CACHED_CELLS", 240)
    config = TrainConfig(factors=8, device="cpu")
    expected = fit(strength, config, 3).product_factors
    thread_count = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        factors = fit(strength, config, 3).product_factors
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(thread_count)
    assert torch.equal(factors, expected)


def test_loss_equals_objective_and_decreases(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    losses = []
    for _ in range(6):
        losses.append(trainer.train_epoch().loss)
        users, products = trainer.user_factors.double().numpy(), trainer.product_factors.double().numpy()
        confidence = compute_confidences(strength, config)
        expected = compute_objective(
            confidence, users, products, trainer.unobserved_pair_weight, trainer.regularization
        )
        assert losses[-1] * confidence.sum() == pytest.approx(expected, rel=1e-4)
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < 1


def test_rotation_diagonalizes_gramian(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    trainer.train_epoch()
    scores = trainer.user_factors @ trainer.product_factors.T
    eigenvalues = trainer._rotate(trainer.product_factors)
    torch.testing.assert_close(trainer.user_factors @ trainer.product_factors.T, scores, rtol=1e-4, atol=1e-5)
    gramian = trainer.product_factors.T @ trainer.product_factors
    torch.testing.assert_close(gramian, torch.diag(eigenvalues), rtol=1e-4, atol=1e-5 * float(eigenvalues.max()))


def test_factors_depend_on_seed_only(strength: Csr, config: TrainConfig) -> None:
    def fit_with_seed(seed: int) -> FactorModel:
        return fit(strength, config.model_copy(update={"seed": seed}), 3)

    first, repeated, other = fit_with_seed(1), fit_with_seed(1), fit_with_seed(2)
    assert first.product_factors.numpy().tobytes() == repeated.product_factors.numpy().tobytes()
    assert first.fold_in(strength).numpy().tobytes() == repeated.fold_in(strength).numpy().tobytes()
    assert not torch.equal(first.product_factors, other.product_factors)


def test_fit_reports_every_epoch(strength: Csr, config: TrainConfig) -> None:
    reports: list[EpochReport] = []
    fit(strength, config, 4, reports.append)
    assert [report.epoch for report in reports] == [1, 2, 3, 4]
    assert reports[0].observed_score < reports[-1].observed_score


def test_fit_reports_collapse(strength: Csr, config: TrainConfig) -> None:
    with pytest.raises(ModelError, match=r"collapsed to zero in epoch 2: .* Lower regularization \(5, before"):
        fit(strength, config.model_copy(update={"regularization": 5.0}), 3)


def test_trainer_reports_infinite_factors(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    trainer.user_factors[3, 2] = torch.nan
    with pytest.raises(ModelError, match=r"diverged in epoch 1: .*not finite"):
        trainer.train_epoch()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 2)])
def test_fit_on_tiny_matrix(shape: tuple[int, int], config: TrainConfig) -> None:
    model = fit(to_csr(np.ones(shape)), config, 4)
    assert model.product_factors.shape == (shape[1], 16)
    assert torch.isfinite(model.product_factors).all()


def test_trainer_reports_divergence(strength: Csr, config: TrainConfig) -> None:
    def diverge(factors: Tensor, *_: object) -> tuple[float, float]:
        factors.fill_(1e3)
        return 0.0, 1.0

    trainer = AlsTrainer(strength, config)
    trainer.user_side.solve = diverge  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"diverged in epoch 1: loss .*, all-zero factors have 1"):
        trainer.train_epoch()


def test_select_device_without_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match="finds no GPU"):
        select_device("cuda")
