"""Training by weighted implicit alternating least squares on sparse rows.

Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets" (ICDM 2008), in the form of Rendle et
al., "Revisiting the performance of iALS on item recommendation benchmarks" (RecSys 2022). With confidences c of the
observed pairs, customer factors x and product factors y, the objective is

    sum over observed (u, i) of c_ui (1 - x_u.y_i)^2  +  w * sum over all (u, i) of (x_u.y_i)^2
    + r * (sum over u of t_u |x_u|^2  +  sum over i of t_i |y_i|^2)

where t is the row's total confidence: its observed confidences plus w for every nonempty column. The penalty of a
product with declared features is r t_i ((1 - l_i) |y_i|^2 + l_i |y_i - p_i|^2), with the factors p_i predicted from the
features (models_ml.als.feature_prior) and a weight l_i that falls with the product's number of customers. Customers
with declared features have the same penalty.

A half epoch improves all rows of one side with a few conjugate gradient steps (Takacs, Pilaszy, Tikk, "Applications of
the conjugate gradient method for implicit feedback collaborative filtering", RecSys 2011). Before each half epoch both
sides are rotated into the eigenbasis of the fixed side's Gramian. The rotation changes no score. It makes the all-pairs
part of every row's matrix diagonal, so that this part is cheap to apply and serves as preconditioner.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from models_ml.als.confidence import Confidence
from models_ml.als.factor_model import FactorModel
from models_ml.als.feature_prior import FeaturePrior
from models_ml.als.parallel import CorePool
from models_ml.als.solver import compute_gramian, solve_conjugate_gradient
from models_ml.config import TrainConfig
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.errors import ModelError

MIN_OBSERVED_SCORE = 1e-4
"""Minimum mean score of the observed pairs (target 1); below it, shrinking factors count as collapsed to zero."""

MAX_TRAINING_LOSS = 1.01
"""Maximum loss. All-zero factors have loss 1 and every solution is better, so a higher loss means divergence."""

MAX_CACHED_CELLS = 2**20
"""Maximum numbers of the fixed side's factors that the entries of a block refer to, on the CPU. They stay in the cache
during the four passes over a block; with blocks of any size an epoch takes twice as long."""


@dataclass(frozen=True)
class EpochReport:
    """Loss and duration of one epoch (a pass over all products and all customers)."""

    epoch: int
    loss: float
    """The exact objective divided by the observed pairs' total confidence; all-zero factors have loss 1."""
    observed_score: float
    """Confidence-weighted mean score of the observed pairs (target 1)."""
    seconds: float


class Side:
    """The rows of one side of the matrix (customers or products) with their penalties, split into blocks."""

    def __init__(
        self,
        confidence: Csr,
        column_count: int,
        unobserved_pair_weight: float,
        regularization: float,
        block_rows: int,
        block_entries: int,
        core_pool: CorePool,
    ) -> None:
        """Prepare the rows of `confidence`; `column_count` counts its nonempty columns.

        `unobserved_pair_weight` is w and `regularization` is r of the objective. A block has at most `block_rows` rows
        and `block_entries` entries.
        """
        self.core_pool = core_pool
        self.confidence = confidence
        self.unobserved_pair_weight = unobserved_pair_weight
        self.penalty = regularization * (confidence.sum_rows() + unobserved_pair_weight * column_count)
        self.block_bounds = confidence.find_block_bounds(block_rows, block_entries)

    def solve(
        self, factors: Tensor, fixed: Tensor, eigenvalues: Tensor, steps: int, prior_rhs: Tensor | None = None
    ) -> tuple[float, float]:
        """Improve `factors` (rows, factors) in place by conjugate gradient steps.

        `fixed` (columns, factors) are the other side's factors, whose Gramian is the diagonal matrix of `eigenvalues`.
        `prior_rhs` (rows, factors) is added to the right-hand side of each row's normal equations.

        Returns the confidence-weighted sum of squared errors and the confidence-weighted mean score of the observed
        pairs.
        """

        def solve_block(block: tuple[int, int]) -> tuple[float, float]:
            rows, confidence = slice(*block), self.confidence.slice_rows(*block).to_torch_csr()
            diagonal = self.unobserved_pair_weight * eigenvalues + self.penalty[rows, None]
            block_rhs = None if prior_rhs is None else prior_rhs[rows]
            weighted_errors = solve_conjugate_gradient(factors[rows], fixed, confidence, diagonal, steps, block_rhs)
            weights = confidence.values()
            squared_error = float((weighted_errors.square() / weights).sum(dtype=torch.float64))
            return squared_error, float((weights - weighted_errors).sum(dtype=torch.float64))

        squared_errors, scores = zip(*self.core_pool.map(solve_block, pairwise(self.block_bounds)), strict=True)
        return sum(squared_errors), sum(scores) / float(self.confidence.values.sum(dtype=torch.float64))


class AlsTrainer:
    """State of a training: `train_epoch` improves the factors, `finalize` returns the model."""

    def __init__(
        self,
        strength: Csr,
        config: TrainConfig,
        item_features: ItemFeatures | None = None,
        initial_product_factors: Tensor | None = None,
        customer_features: Csr | None = None,
    ) -> None:
        """Initialize the factors for `strength` (customers x products, without empty rows).

        The initial product factors are the nonzero rows of `initial_product_factors` (products, factors); all other
        rows are random with the config's seed. `item_features` describe the products in the order of the columns,
        `customer_features` (customers x feature values) the customers.

        Raises:
            ModelError: The configured device does not exist, or the factors are not finite.
        """
        self.config = config
        self.device = select_device(config.device)
        self.item_features = (item_features or ItemFeatures.empty(strength.column_count)).to(self.device)
        self.strength = strength.to(self.device)
        adapted = config.adapt_to_matrix(strength.density, strength.entry_count / strength.row_count)
        self.confidence = Confidence.fit(self.strength, adapted)
        user_rows = self.confidence.transform(self.strength)
        product_rows = user_rows.transpose()
        self.is_trained = product_rows.lengths > 0
        user_count, product_count = user_rows.row_count, int(self.is_trained.sum())
        self.total_confidence = float(user_rows.values.sum(dtype=torch.float64))
        self.unobserved_pair_weight = adapted.unobserved_weight * self.total_confidence / (user_count * product_count)
        # The setting is relative to the observed confidence, so that its effect does not depend on the unobserved
        # weight.
        self.regularization = adapted.regularization / (1 + adapted.unobserved_weight)
        self.block_rows = config.compute_block_rows(config.factors)
        block_entries = MAX_CACHED_CELLS // config.factors if self.device.type == "cpu" else user_rows.entry_count
        self.core_pool = CorePool(self.device)
        block_limits = (self.block_rows, block_entries, self.core_pool)
        self.user_side = Side(user_rows, product_count, self.unobserved_pair_weight, self.regularization, *block_limits)
        self.product_side = Side(
            product_rows, user_count, self.unobserved_pair_weight, self.regularization, *block_limits
        )
        self.product_prior = FeaturePrior.create(
            self.item_features.content, product_rows.lengths.float(), config.content_prior_customers, config
        )
        self.customer_prior = FeaturePrior.create(
            None if customer_features is None else customer_features.to(self.device),
            user_rows.lengths.float(),
            config.customer_prior_products,
            config,
        )
        self.has_initial_factors = initial_product_factors is not None
        self.product_factors = self._initialize_product_factors(initial_product_factors)
        self.user_factors = torch.zeros((user_count, config.factors), device=self.device)
        self.epochs = 0
        self.observed_score = 0.0
        self.product_prior_penalty = 0.0
        self.customer_prior_penalty = 0.0
        with self.core_pool:
            self._improve_users()

    def train_epoch(self) -> EpochReport:
        """Improve the product factors, then the customer factors.

        Raises:
            ModelError: The factors diverge or collapse to zero.
        """
        start_seconds = time.perf_counter()
        with self.core_pool:
            self._improve_products(self._rotate(self.user_factors))
            eigenvalues, squared_error, score = self._improve_users()
            self.epochs += 1
            report = self._build_report(eigenvalues, squared_error, score, start_seconds)
        _check_convergence(report, self.observed_score, self.config)
        self.observed_score = report.observed_score
        return report

    def finalize(self, trend_power: float = 0.0) -> FactorModel:
        """Return a model with the current product factors and the multipliers of `compute_multipliers`."""
        eigenvalues = self._rotate(self.product_factors)
        prior = self.customer_prior
        return FactorModel(
            product_factors=self.complete_product_factors(),
            multipliers=self.compute_multipliers(trend_power),
            eigenvalues=eigenvalues,
            trained_product_count=int(self.is_trained.sum()),
            confidence=self.confidence,
            unobserved_pair_weight=self.unobserved_pair_weight,
            regularization=self.regularization,
            block_mib=self.config.block_mib,
            customer_coefficients=None if prior is None else prior.fit_coefficients(self.user_factors),
            customer_prior_products=self.config.customer_prior_products,
        )

    def compute_multipliers(self, trend_power: float) -> Tensor:
        """Return the multipliers of the products' scores, float32 of shape (products).

        They are the trends to the power `trend_power`, times the popularity damping.
        """
        damping = self.item_features.compute_damping(self.config.popularity_damping)
        return self.item_features.trends.pow(trend_power) * damping

    def complete_product_factors(self) -> Tensor:
        """Return a copy of the product factors, (products, factors).

        Products without customers have the factors predicted from their features.
        """
        if self.product_prior is None:
            return self.product_factors.clone()
        return torch.where(
            self.is_trained[:, None], self.product_factors, self.product_prior.predict_factors(self.product_factors)
        )

    def _initialize_product_factors(self, initial_product_factors: Tensor | None) -> Tensor:
        """Return the initial product factors; products without customers are zero during training."""
        shape = (self.strength.column_count, self.config.factors)
        generator = torch.Generator().manual_seed(self.config.seed)
        factors: Tensor = (torch.randn(shape, generator=generator) / self.config.factors**0.5).to(self.device)
        if initial_product_factors is not None:
            initial_product_factors = initial_product_factors.to(self.device)
            factors = torch.where(initial_product_factors.any(1, keepdim=True), initial_product_factors, factors)
        factors[~self.is_trained] = 0
        return factors

    def _improve_products(self, eigenvalues: Tensor) -> None:
        predicted, prior_rhs = self._predict_from_features(self.product_prior, self.product_side, self.product_factors)
        self.product_side.solve(self.product_factors, self.user_factors, eigenvalues, self.config.cg_steps, prior_rhs)
        self.product_prior_penalty = _compute_prior_penalty(predicted, prior_rhs, self.product_factors)

    def _improve_users(self) -> tuple[Tensor, float, float]:
        """Improve the customer factors.

        Returns the diagonal of the products' Gramian, (factors), and the squared error and mean score of `Side.solve`.
        """
        eigenvalues = self._rotate(self.product_factors)
        predicted, prior_rhs = self._predict_from_features(self.customer_prior, self.user_side, self.user_factors)
        sums = self.user_side.solve(
            self.user_factors, self.product_factors, eigenvalues, self.config.cg_steps, prior_rhs
        )
        self.customer_prior_penalty = _compute_prior_penalty(predicted, prior_rhs, self.user_factors)
        return eigenvalues, *sums

    def _predict_from_features(
        self, prior: FeaturePrior | None, side: Side, factors: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the factors predicted from features and their part of the right-hand side, both (rows, factors).

        A regression of random factors predicts nothing, so the first epoch omits the prior.
        """
        if prior is None or not (self.has_initial_factors or self.epochs > 0):
            return None, None
        predicted = prior.predict_factors(factors)
        return predicted, predicted * (side.penalty * prior.weight)[:, None]

    def _rotate(self, fixed: Tensor) -> Tensor:
        """Rotate both sides in place into the eigenbasis of the Gramian of `fixed`; return its diagonal, (factors)."""
        gramian = compute_gramian(fixed, self.block_rows, self.core_pool.map)
        if not torch.isfinite(gramian).all():
            raise _build_divergence_error(self.epochs + 1, "factors are not finite", self.config)
        eigenvalues, basis = torch.linalg.eigh(gramian)
        basis = basis.float()

        def rotate_block(block: tuple[Tensor, int, int]) -> None:
            factors, start, stop = block
            factors[start:stop] = factors[start:stop] @ basis

        sides = (self.user_factors, self.product_factors)
        self.core_pool.map(
            rotate_block, ((side, *rows) for side in sides for rows in iter_row_blocks(len(side), self.block_rows))
        )
        diagonal: Tensor = eigenvalues.clamp(min=0).float()
        return diagonal

    def _build_report(
        self, eigenvalues: Tensor, squared_error: float, score: float, start_seconds: float
    ) -> EpochReport:
        squared_scores = float((self.user_factors.square().sum(0, dtype=torch.float64) * eigenvalues).sum())
        penalties = sum(
            float((side.penalty * factors.square().sum(1)).sum(dtype=torch.float64))
            for side, factors in ((self.user_side, self.user_factors), (self.product_side, self.product_factors))
        )
        penalties += self.product_prior_penalty + self.customer_prior_penalty
        objective = squared_error + self.unobserved_pair_weight * squared_scores + penalties
        return EpochReport(self.epochs, objective / self.total_confidence, score, time.perf_counter() - start_seconds)


def fit(
    strength: Csr,
    config: TrainConfig,
    epochs: int,
    on_epoch: Callable[[EpochReport], None] | None = None,
    *,
    item_features: ItemFeatures | None = None,
    trend_power: float = 0.0,
    initial_product_factors: Tensor | None = None,
    customer_features: Csr | None = None,
) -> FactorModel:
    """Return a model trained for `epochs` epochs on `strength` (customers x products).

    `item_features`, `initial_product_factors` and `customer_features` are arguments of AlsTrainer; scores are
    multiplied by the `multipliers` of the products for `trend_power`. `on_epoch` is called after each epoch. Equal
    arguments give identical bits on the same machine.

    Raises:
        ModelError: The configured device does not exist, or the factors diverge or collapse to zero.
    """
    trainer = AlsTrainer(strength, config, item_features, initial_product_factors, customer_features)
    for _ in range(epochs):
        report = trainer.train_epoch()
        if on_epoch is not None:
            on_epoch(report)
    return trainer.finalize(trend_power)


def select_device(device: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device of the computation.

    Raises:
        ModelError: The device is `cuda`, and torch finds no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device 'cuda' is set but torch finds no GPU. Set device to 'auto' or 'cpu'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def _check_convergence(report: EpochReport, previous_score: float, config: TrainConfig) -> None:
    if not report.loss < MAX_TRAINING_LOSS:
        raise _build_divergence_error(report.epoch, f"loss {report.loss:.3g}, all-zero factors have 1", config)
    if report.epoch > 1 and report.observed_score < MIN_OBSERVED_SCORE and report.observed_score <= previous_score:
        raise ModelError(
            f"all factors collapsed to zero in epoch {report.epoch}: the mean score of the observed pairs is "
            f"{report.observed_score:.1e}, its target 1. Lower regularization ({config.regularization:g}, before the "
            "increase for sparse matrices)"
        )


def _compute_prior_penalty(predicted: Tensor | None, prior_rhs: Tensor | None, factors: Tensor) -> float:
    """Return the difference between the penalty with the prior and the penalty on squared factors alone."""
    if predicted is None or prior_rhs is None:
        return 0.0
    return float((prior_rhs * (predicted - 2 * factors)).sum(dtype=torch.float64))


def _build_divergence_error(epoch: int, cause: str, config: TrainConfig) -> ModelError:
    return ModelError(
        f"training diverged in epoch {epoch}: {cause}. Raise regularization ({config.regularization:g}) or look for "
        "extreme strengths"
    )
