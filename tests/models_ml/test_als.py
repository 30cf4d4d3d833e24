"""The solver against a dense float64 solution, and the ways training can go wrong."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from models_ml.als.factor_model import FactorModel
from models_ml.als.solver import conjugate_gradient
from models_ml.als.trainer import AlsTrainer, SweepReport, fit, torch_device
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from tests.models_ml.made_up import csr, dense

Array = npt.NDArray[np.float64]


def confidences(strength: Csr, config: TrainConfig) -> Array:
    """Compute the confidences from their definition."""
    values = dense(strength)
    seen = values > 0
    believed = seen * (1 + config.strength_scale * np.log1p(values / values[seen].mean()))
    believed *= seen.sum(1)[:, None] ** -config.user_damping * seen.sum(0) ** -config.product_damping
    result: Array = believed / believed[seen].mean()
    return result


def solved_rows(confidence: Array, fixed: Array, unobserved: float, regularization: float) -> Array:
    """Solve every row's normal equations densely in float64."""
    penalty = regularization * (confidence.sum(1) + unobserved * len(fixed))
    return np.stack(
        [
            np.linalg.solve(
                fixed.T @ (row[:, None] * fixed) + unobserved * fixed.T @ fixed + weight * np.eye(fixed.shape[1]),
                fixed.T @ row,
            )
            for row, weight in zip(confidence, penalty, strict=True)
        ]
    )


def objective(confidence: Array, users: Array, products: Array, unobserved: float, regularization: float) -> float:
    """Compute the training objective over every cell of the matrix."""
    scores = users @ products.T
    user_totals = confidence.sum(1) + unobserved * len(products)
    product_totals = confidence.sum(0) + unobserved * len(users)
    penalties = user_totals @ (users**2).sum(1) + product_totals @ (products**2).sum(1)
    return float((confidence * (1 - scores) ** 2).sum() + unobserved * (scores**2).sum() + regularization * penalties)


def test_confidences_follow_their_definition(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    np.testing.assert_allclose(dense(trainer.user_side.confidence), confidences(strength, config), rtol=1e-5)


@pytest.mark.parametrize("factors", [4, 16, 64])
def test_customers_are_the_exact_solution_of_the_normal_equations(strength: Csr, factors: int) -> None:
    model = fit(strength, TrainConfig(factors=factors, device="cpu"), 3)
    fixed = model.product_factors.double().numpy()
    confidence = dense(model.confidence.of(strength))
    expected = solved_rows(confidence, fixed, model.unobserved, model.regularization)
    np.testing.assert_allclose(model.user_factors(strength).numpy(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("block_mib", [1, 128])
def test_conjugate_gradient_reaches_the_dense_solution_of_both_sides(strength: Csr, block_mib: int) -> None:
    trainer = AlsTrainer(strength, TrainConfig(factors=8, cg_steps=40, block_mib=block_mib, device="cpu"))
    for side in (trainer.user_side, trainer.product_side):
        side.bounds = side.confidence.block_bounds(rows=7, entries=30)
    report = trainer.sweep()
    users, products = trainer.user_factors.double().numpy(), trainer.product_factors.double().numpy()
    confidence = dense(trainer.user_side.confidence)
    expected = solved_rows(confidence, products, trainer.unobserved, trainer.regularization)
    np.testing.assert_allclose(users, expected, rtol=1e-3, atol=1e-5)
    eigenvalues = trainer._rotate(trainer.user_factors)
    trainer.product_side.solve(trainer.product_factors, trainer.user_factors, eigenvalues, 40)
    expected = solved_rows(
        confidence.T, trainer.user_factors.double().numpy(), trainer.unobserved, trainer.regularization
    )
    np.testing.assert_allclose(trainer.product_factors.numpy(), expected, rtol=1e-3, atol=1e-5)
    assert report.sweep == 1


def test_a_row_shorter_than_the_steps_is_solved_exactly() -> None:
    strength = csr(np.eye(5) + np.eye(5, k=1))
    fixed = torch.randn((5, 3), generator=torch.Generator().manual_seed(0))
    fixed = fixed @ torch.linalg.eigh(fixed.T @ fixed).eigenvectors
    eigenvalues = (fixed.T @ fixed).diagonal()
    factors = torch.zeros((5, 3))
    conjugate_gradient(factors, fixed, strength.as_torch(), 0.1 * eigenvalues + torch.full((5, 1), 0.3), steps=3)
    both = fixed.double().numpy()
    for row, values in enumerate(dense(strength)):
        matrix = both.T @ (values[:, None] * both) + 0.1 * both.T @ both + 0.3 * np.eye(3)
        np.testing.assert_allclose(factors[row], np.linalg.solve(matrix, both.T @ values), rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_no_bit_and_stays_what_it_was(
    strength: Csr, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_ml.als.trainer.CACHED_CELLS", 240)
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
        losses.append(trainer.sweep().loss)
        users, products = trainer.user_factors.double().numpy(), trainer.product_factors.double().numpy()
        confidence = confidences(strength, config)
        expected = objective(confidence, users, products, trainer.unobserved, trainer.regularization)
        assert losses[-1] * confidence.sum() == pytest.approx(expected, rel=1e-4)
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < 1


def test_rotation_changes_no_score_and_makes_the_gramian_diagonal(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    trainer.sweep()
    before = trainer.user_factors @ trainer.product_factors.T
    eigenvalues = trainer._rotate(trainer.product_factors)
    torch.testing.assert_close(trainer.user_factors @ trainer.product_factors.T, before, rtol=1e-4, atol=1e-5)
    gramian = trainer.product_factors.T @ trainer.product_factors
    torch.testing.assert_close(gramian, torch.diag(eigenvalues), rtol=1e-4, atol=1e-5 * float(eigenvalues.max()))


def test_same_seed_gives_the_same_bits_and_another_seed_others(strength: Csr, config: TrainConfig) -> None:
    def factors(seed: int) -> FactorModel:
        return fit(strength, config.model_copy(update={"seed": seed}), 3)

    assert factors(1).product_factors.numpy().tobytes() == factors(1).product_factors.numpy().tobytes()
    assert factors(1).user_factors(strength).numpy().tobytes() == factors(1).user_factors(strength).numpy().tobytes()
    assert not torch.equal(factors(1).product_factors, factors(2).product_factors)


def test_a_history_alone_folds_in_to_that_customers_own_solution(strength: Csr, config: TrainConfig) -> None:
    model = fit(strength, config, 3)
    users = model.user_factors(strength)
    for row in (0, 1, 59):
        torch.testing.assert_close(
            model.user_factors(strength.slice_rows(row, row + 1))[0], users[row], rtol=1e-4, atol=1e-6
        )


def test_an_empty_basket_folds_in_to_zero(strength: Csr, config: TrainConfig) -> None:
    empty = Csr(torch.zeros(2, dtype=torch.int32), strength.columns[:0], strength.values[:0], strength.n_columns)
    assert not fit(strength, config, 1).user_factors(empty).any()


def test_every_sweep_is_reported(strength: Csr, config: TrainConfig) -> None:
    reports: list[SweepReport] = []
    fit(strength, config, 4, reports.append)
    assert [report.sweep for report in reports] == [1, 2, 3, 4]
    assert reports[0].observed_score < reports[-1].observed_score


def test_too_much_regularization_is_reported_as_collapse(strength: Csr, config: TrainConfig) -> None:
    with pytest.raises(ModelError, match=r"collapsed to zero in sweep 2 .* lower regularization \(5, before"):
        fit(strength, config.model_copy(update={"regularization": 5.0}), 3)


def test_factors_that_are_not_finite_are_reported(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    trainer.user_factors[3, 2] = torch.nan
    with pytest.raises(ModelError, match=r"diverged in sweep 1 .*not finite"):
        trainer.sweep()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 2)])
def test_tiny_shops_train(shape: tuple[int, int], config: TrainConfig) -> None:
    model = fit(csr(np.ones(shape)), config, 4)
    assert model.product_factors.shape == (shape[1], 16)
    assert torch.isfinite(model.product_factors).all()


def test_a_loss_above_that_of_zero_factors_is_reported(strength: Csr, config: TrainConfig) -> None:
    def stray(factors: Tensor, *_: object) -> tuple[float, float]:
        factors.fill_(1e3)
        return 0.0, 1.0

    trainer = AlsTrainer(strength, config)
    trainer.user_side.solve = stray  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"diverged in sweep 1 \(loss .*, where all-zero factors have 1"):
        trainer.sweep()


def test_a_gpu_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match="finds no GPU"):
        torch_device("cuda")
