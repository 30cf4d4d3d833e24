"""The solver against a dense float64 solution, and the ways training can go wrong."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from models_ml.als.factor_model import FactorModel
from models_ml.als.solver import solve_conjugate_gradient
from models_ml.als.trainer import AlsTrainer, EpochReport, fit, select_device
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from tests.models_ml.synthetic_tables import to_csr, to_dense

Array = npt.NDArray[np.float64]


def compute_confidences(strength: Csr, config: TrainConfig) -> Array:
    """Compute the confidences from their definition."""
    values = to_dense(strength)
    seen = values > 0
    believed = seen * (1 + config.strength_scale * np.log1p(values / values[seen].mean()))
    believed *= seen.sum(1)[:, None] ** -config.user_damping * seen.sum(0) ** -config.product_damping
    result: Array = believed / believed[seen].mean()
    return result


def solve_rows(confidence: Array, fixed: Array, unobserved_pair_weight: float, regularization: float) -> Array:
    """Solve every row's normal equations densely in float64."""
    penalty = regularization * (confidence.sum(1) + unobserved_pair_weight * len(fixed))
    return np.stack(
        [
            np.linalg.solve(
                fixed.T @ (row[:, None] * fixed)
                + unobserved_pair_weight * fixed.T @ fixed
                + weight * np.eye(fixed.shape[1]),
                fixed.T @ row,
            )
            for row, weight in zip(confidence, penalty, strict=True)
        ]
    )


def compute_objective(
    confidence: Array, users: Array, products: Array, unobserved_pair_weight: float, regularization: float
) -> float:
    """Compute the training objective over every cell of the matrix."""
    scores = users @ products.T
    user_totals = confidence.sum(1) + unobserved_pair_weight * len(products)
    product_totals = confidence.sum(0) + unobserved_pair_weight * len(users)
    penalties = user_totals @ (users**2).sum(1) + product_totals @ (products**2).sum(1)
    return float(
        (confidence * (1 - scores) ** 2).sum() + unobserved_pair_weight * (scores**2).sum() + regularization * penalties
    )


def test_confidences_follow_their_definition(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    np.testing.assert_allclose(to_dense(trainer.user_side.confidence), compute_confidences(strength, config), rtol=1e-5)


@pytest.mark.parametrize("factors", [4, 16, 64])
def test_customers_are_the_exact_solution_of_the_normal_equations(strength: Csr, factors: int) -> None:
    model = fit(strength, TrainConfig(factors=factors, device="cpu"), 3)
    fixed = model.product_factors.double().numpy()
    confidence = to_dense(model.confidence.transform(strength))
    expected = solve_rows(confidence, fixed, model.unobserved_pair_weight, model.regularization)
    np.testing.assert_allclose(model.fold_in(strength).numpy(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("block_mib", [1, 128])
def test_conjugate_gradient_reaches_the_dense_solution_of_both_sides(strength: Csr, block_mib: int) -> None:
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


def test_a_row_shorter_than_the_steps_is_solved_exactly() -> None:
    strength = to_csr(np.eye(5) + np.eye(5, k=1))
    fixed = torch.randn((5, 3), generator=torch.Generator().manual_seed(0))
    fixed = fixed @ torch.linalg.eigh(fixed.T @ fixed).eigenvectors
    eigenvalues = (fixed.T @ fixed).diagonal()
    factors = torch.zeros((5, 3))
    solve_conjugate_gradient(
        factors, fixed, strength.to_torch_csr(), 0.1 * eigenvalues + torch.full((5, 1), 0.3), steps=3
    )
    both = fixed.double().numpy()
    for row, values in enumerate(to_dense(strength)):
        matrix = both.T @ (values[:, None] * both) + 0.1 * both.T @ both + 0.3 * np.eye(3)
        np.testing.assert_allclose(factors[row], np.linalg.solve(matrix, both.T @ values), rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_no_bit_and_stays_what_it_was(
    strength: Csr, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_ml.als.trainer.MAX_CACHED_CELLS", 240)
    config = TrainConfig(factors=8, device="cpu")
    expected = fit(strength, config, 3).product_factors
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = fit(strength, config, 3).product_factors
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, expected)


def test_the_reported_loss_is_the_objective_and_goes_down(strength: Csr, config: TrainConfig) -> None:
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


def test_rotation_changes_no_score_and_makes_the_gramian_diagonal(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    trainer.train_epoch()
    before = trainer.user_factors @ trainer.product_factors.T
    eigenvalues = trainer._rotate(trainer.product_factors)
    torch.testing.assert_close(trainer.user_factors @ trainer.product_factors.T, before, rtol=1e-4, atol=1e-5)
    gramian = trainer.product_factors.T @ trainer.product_factors
    torch.testing.assert_close(gramian, torch.diag(eigenvalues), rtol=1e-4, atol=1e-5 * float(eigenvalues.max()))


def test_same_seed_gives_the_same_bits_and_another_seed_others(strength: Csr, config: TrainConfig) -> None:
    def factors(seed: int) -> FactorModel:
        return fit(strength, config.model_copy(update={"seed": seed}), 3)

    assert factors(1).product_factors.numpy().tobytes() == factors(1).product_factors.numpy().tobytes()
    assert factors(1).fold_in(strength).numpy().tobytes() == factors(1).fold_in(strength).numpy().tobytes()
    assert not torch.equal(factors(1).product_factors, factors(2).product_factors)


def test_a_history_alone_folds_in_to_that_customers_own_solution(strength: Csr, config: TrainConfig) -> None:
    model = fit(strength, config, 3)
    users = model.fold_in(strength)
    for row in (0, 1, 59):
        torch.testing.assert_close(
            model.fold_in(strength.slice_rows(row, row + 1))[0], users[row], rtol=1e-4, atol=1e-6
        )


def test_an_empty_basket_folds_in_to_zero(strength: Csr, config: TrainConfig) -> None:
    empty = Csr(torch.zeros(2, dtype=torch.int32), strength.columns[:0], strength.values[:0], strength.column_count)
    assert not fit(strength, config, 1).fold_in(empty).any()


def test_every_sweep_is_reported(strength: Csr, config: TrainConfig) -> None:
    reports: list[EpochReport] = []
    fit(strength, config, 4, reports.append)
    assert [report.epoch for report in reports] == [1, 2, 3, 4]
    assert reports[0].observed_score < reports[-1].observed_score


def test_too_much_regularization_is_reported_as_collapse(strength: Csr, config: TrainConfig) -> None:
    with pytest.raises(ModelError, match=r"collapsed to zero in epoch 2 .* lower regularization \(5, before"):
        fit(strength, config.model_copy(update={"regularization": 5.0}), 3)


def test_factors_that_are_not_finite_are_reported(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    trainer.user_factors[3, 2] = torch.nan
    with pytest.raises(ModelError, match=r"diverged in epoch 1 .*not finite"):
        trainer.train_epoch()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 2)])
def test_tiny_shops_train(shape: tuple[int, int], config: TrainConfig) -> None:
    model = fit(to_csr(np.ones(shape)), config, 4)
    assert model.product_factors.shape == (shape[1], 16)
    assert torch.isfinite(model.product_factors).all()


def test_a_loss_above_that_of_zero_factors_is_reported(strength: Csr, config: TrainConfig) -> None:
    def stray(factors: Tensor, *_: object) -> tuple[float, float]:
        factors.fill_(1e3)
        return 0.0, 1.0

    trainer = AlsTrainer(strength, config)
    trainer.user_side.solve = stray  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"diverged in epoch 1 \(loss .*, where all-zero factors have 1"):
        trainer.train_epoch()


def test_a_gpu_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match="finds no GPU"):
        select_device("cuda")
