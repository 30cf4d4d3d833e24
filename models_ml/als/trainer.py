"""Weighted implicit alternating least squares on sparse rows.

Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets" (ICDM 2008), in the form of Rendle et
al., "Revisiting the performance of iALS on item recommendation benchmarks" (RecSys 2022). With confidences c of the
observed pairs, customer factors x and product factors y, it minimizes

    sum over observed (u, i) of c_ui (1 - x_u.y_i)^2  +  w * sum over all (u, i) of (x_u.y_i)^2
    + r * (sum over u of t_u |x_u|^2  +  sum over i of t_i |y_i|^2)

where t is the row's total confidence: its observed ones plus w for every column that is not empty. Where content is
known, a product's penalty is r t_i ((1 - l_i) |y_i|^2 + l_i |y_i - p_i|^2): it leans, the more the fewer customers it
has, on the factors p_i that its content tells (models_ml.als.content_prior). A half epoch improves all rows of
one side with a few conjugate gradient steps (Takacs, Pilaszy, Tikk, "Applications of the conjugate gradient method
for implicit feedback collaborative filtering", RecSys 2011). Before it, both sides are rotated into the eigenbasis of
the fixed side's Gramian, which changes no score: there the all-pairs part of every row's matrix is diagonal, so it
costs nothing to apply and preconditions the rest.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from models_ml.als.confidence import Confidence
from models_ml.als.content_prior import ContentPrior
from models_ml.als.factor_model import FactorModel
from models_ml.als.parallel import CorePool
from models_ml.als.solver import compute_gramian, solve_conjugate_gradient
from models_ml.config import TrainConfig
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.errors import ModelError

MIN_OBSERVED_SCORE = 1e-4
"""Mean score of the observed pairs (target 1) at which factors that still shrink have been regularized away."""

MAX_TRAINING_LOSS = 1.01
"""Solving either side beats leaving it all zero, which has loss 1; above this, numbers have lost their meaning."""

MAX_CACHED_CELLS = 2**20
"""Numbers of the fixed side's factors that a block's entries refer to, on the CPU: each of the four passes over a block
then finds them in the cache, where with blocks of any size a epoch takes twice as long."""


@dataclass(frozen=True)
class EpochReport:
    """How one pass over all products and all customers went."""

    epoch: int
    loss: float
    """The objective, exact, divided by the observed pairs' total confidence; 1 for factors that are all zero."""
    observed_score: float
    """Confidence-weighted mean score of the observed pairs, whose target is 1."""
    seconds: float


class Side:
    """The rows of one side of the matrix, cut into blocks, with what their penalties need."""

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
        """Take the rows' `confidence`, how many of its `columns` are not empty, and the objective's w and r."""
        self.core_pool = core_pool
        self.confidence = confidence
        self.unobserved_pair_weight = unobserved_pair_weight
        self.penalty = regularization * (confidence.sum_rows() + unobserved_pair_weight * column_count)
        self.block_bounds = confidence.find_block_bounds(block_rows, block_entries)

    def solve(
        self, factors: Tensor, fixed: Tensor, eigenvalues: Tensor, steps: int, prior_rhs: Tensor | None = None
    ) -> tuple[float, float]:
        """Improve `factors` (rows x factors) in place, given `fixed` with a diagonal Gramian of `eigenvalues`.

        `pull` (rows x factors) is added to the right-hand side of every row's normal equations. Returns the observed
        pairs' confidence-weighted squared error and mean score.
        """

        def solve_block(block: tuple[int, int]) -> tuple[float, float]:
            rows, confidence = slice(*block), self.confidence.slice_rows(*block).to_torch_csr()
            diagonal = self.unobserved_pair_weight * eigenvalues + self.penalty[rows, None]
            towards = None if prior_rhs is None else prior_rhs[rows]
            missing = solve_conjugate_gradient(factors[rows], fixed, confidence, diagonal, steps, towards)
            weight = confidence.values()
            error = float((missing.square() / weight).sum(dtype=torch.float64))
            return error, float((weight - missing).sum(dtype=torch.float64))

        errors, scores = zip(*self.core_pool.map(solve_block, pairwise(self.block_bounds)), strict=True)
        return sum(errors), sum(scores) / float(self.confidence.values.sum(dtype=torch.float64))


class AlsTrainer:
    """Training state: `epoch` improves it, `finish` turns it into a model."""

    def __init__(
        self,
        strength: Csr,
        config: TrainConfig,
        item_features: ItemFeatures | None = None,
        initial_product_factors: Tensor | None = None,
    ) -> None:
        """Start on `strength` (customers x products, no empty row; a product without customers is known by its facts).

        The first product factors are random, seeded; where `start` (products x factors) has a row that is not zero,
        that row.
        """
        self.config = config
        self.device = select_device(config.device)
        self.item_features = (item_features or ItemFeatures.empty(strength.column_count)).to(self.device)
        self.strength = strength.to(self.device)
        self.confidence = Confidence.fit(self.strength, config)
        by_user = self.confidence.transform(self.strength)
        by_product = by_user.transpose()
        self.is_trained = by_product.lengths > 0
        users, products = by_user.row_count, int(self.is_trained.sum())
        self.total_confidence = float(by_user.values.sum(dtype=torch.float64))
        here = config.adapt_to_density(strength.density)
        self.unobserved_pair_weight = here.unobserved_weight * self.total_confidence / (users * products)
        # The setting is per observed confidence, so that it keeps its meaning whatever the unobserved weight is.
        self.regularization = here.regularization / (1 + here.unobserved_weight)
        self.block_rows = config.compute_block_rows(config.factors)
        in_cache = MAX_CACHED_CELLS // config.factors if self.device.type == "cpu" else by_user.entry_count
        self.core_pool = CorePool(self.device)
        blocks = (self.block_rows, in_cache, self.core_pool)
        self.user_side = Side(by_user, products, self.unobserved_pair_weight, self.regularization, *blocks)
        self.product_side = Side(by_product, users, self.unobserved_pair_weight, self.regularization, *blocks)
        self.content_prior = ContentPrior.create(self.item_features.content, by_product.lengths.float(), config)
        self.has_initial_factors = initial_product_factors is not None
        self.product_factors = self._initialize_product_factors(initial_product_factors)
        self.user_factors = torch.zeros((users, config.factors), device=self.device)
        self.epochs = 0
        self.observed_score = 0.0
        self.content_penalty = 0.0
        with self.core_pool:
            self._improve_users()

    def train_epoch(self) -> EpochReport:
        """Improve the product factors, then the customer factors.

        Raises ModelError when the factors are no longer finite, or have collapsed to zero.
        """
        started = time.perf_counter()
        with self.core_pool:
            self._improve_products(self._rotate(self.user_factors))
            eigenvalues, error, score = self._improve_users()
            self.epochs += 1
            report = self._build_report(eigenvalues, error, score, started)
        _check_convergence(report, self.observed_score, self.config)
        self.observed_score = report.observed_score
        return report

    def finalize(self, trend_power: float = 0.0) -> FactorModel:
        """Return the model of the present product factors; its customer factors are the exact solution."""
        eigenvalues = self._rotate(self.product_factors)
        return FactorModel(
            product_factors=self.complete_product_factors(),
            trends=self.item_features.trends.pow(trend_power),
            eigenvalues=eigenvalues,
            trained_products=int(self.is_trained.sum()),
            confidence=self.confidence,
            unobserved_pair_weight=self.unobserved_pair_weight,
            regularization=self.regularization,
            block_mib=self.config.block_mib,
        )

    def complete_product_factors(self) -> Tensor:
        """Return the product factors, those of products without customers as their content tells them; a copy."""
        if self.content_prior is None:
            return self.product_factors.clone()
        return torch.where(
            self.is_trained[:, None], self.product_factors, self.content_prior.predict_factors(self.product_factors)
        )

    def _initialize_product_factors(self, initial_product_factors: Tensor | None) -> Tensor:
        """Return random factors, or those of `start`; products without customers stay zero while training."""
        shape = (self.strength.column_count, self.config.factors)
        generator = torch.Generator().manual_seed(self.config.seed)
        factors: Tensor = (torch.randn(shape, generator=generator) / self.config.factors**0.5).to(self.device)
        if initial_product_factors is not None:
            initial_product_factors = initial_product_factors.to(self.device)
            factors = torch.where(initial_product_factors.any(1, keepdim=True), initial_product_factors, factors)
        factors[~self.is_trained] = 0
        return factors

    def _improve_products(self, eigenvalues: Tensor) -> None:
        pull = None
        # What random factors have in common with their content is nothing to lean on.
        if self.content_prior is not None and (self.has_initial_factors or self.epochs > 0):
            expected = self.content_prior.predict_factors(self.product_factors)
            weight = self.product_side.penalty * self.content_prior.content_weight * self.is_trained
            pull = expected * weight[:, None]
        self.product_side.solve(self.product_factors, self.user_factors, eigenvalues, self.config.cg_steps, pull)
        if pull is not None:
            # What the penalty for straying from the content differs by from that for being long.
            self.content_penalty = float((pull * (expected - 2 * self.product_factors)).sum(dtype=torch.float64))

    def _improve_users(self) -> tuple[Tensor, float, float]:
        """Return the products' Gramian's diagonal, and the squared error and mean score of the observed pairs."""
        eigenvalues = self._rotate(self.product_factors)
        return eigenvalues, *self.user_side.solve(
            self.user_factors, self.product_factors, eigenvalues, self.config.cg_steps
        )

    def _rotate(self, fixed: Tensor) -> Tensor:
        matrix = compute_gramian(fixed, self.block_rows, self.core_pool.map)
        if not torch.isfinite(matrix).all():
            raise _build_divergence_error(self.epochs + 1, "factors are not finite", self.config)
        eigenvalues, basis = torch.linalg.eigh(matrix)
        basis = basis.float()

        def rotate(block: tuple[Tensor, int, int]) -> None:
            factors, start, stop = block
            factors[start:stop] = factors[start:stop] @ basis

        sides = (self.user_factors, self.product_factors)
        self.core_pool.map(
            rotate, ((side, *rows) for side in sides for rows in iter_row_blocks(len(side), self.block_rows))
        )
        diagonal: Tensor = eigenvalues.clamp(min=0).float()
        return diagonal

    def _build_report(self, eigenvalues: Tensor, error: float, score: float, started: float) -> EpochReport:
        all_pairs = float((self.user_factors.square().sum(0, dtype=torch.float64) * eigenvalues).sum())
        penalties = sum(
            float((side.penalty * factors.square().sum(1)).sum(dtype=torch.float64))
            for side, factors in ((self.user_side, self.user_factors), (self.product_side, self.product_factors))
        )
        loss = (
            error + self.unobserved_pair_weight * all_pairs + penalties + self.content_penalty
        ) / self.total_confidence
        return EpochReport(self.epochs, loss, score, time.perf_counter() - started)


def fit(
    strength: Csr,
    config: TrainConfig,
    epochs: int,
    on_epoch: Callable[[EpochReport], None] | None = None,
    *,
    item_features: ItemFeatures | None = None,
    trend_power: float = 0.0,
    initial_product_factors: Tensor | None = None,
) -> FactorModel:
    """Train `epochs` epochs on `strength` (customers x products); same input, same machine, same bits.

    `facts` are those of the products, `start` the first product factors (see AlsTrainer); scores are multiplied by the
    products' trends to the `trend_power`. Raises ModelError when the factors diverge or collapse to zero.
    """
    trainer = AlsTrainer(strength, config, item_features, initial_product_factors)
    for _ in range(epochs):
        report = trainer.train_epoch()
        if on_epoch is not None:
            on_epoch(report)
    return trainer.finalize(trend_power)


def _check_convergence(report: EpochReport, previous_score: float, config: TrainConfig) -> None:
    if not report.loss < MAX_TRAINING_LOSS:
        raise _build_divergence_error(report.epoch, f"loss {report.loss:.3g}, where all-zero factors have 1", config)
    if report.epoch > 1 and report.observed_score < MIN_OBSERVED_SCORE and report.observed_score <= previous_score:
        raise ModelError(
            f"all factors collapsed to zero in epoch {report.epoch} (mean score {report.observed_score:.1e} of the "
            f"observed pairs, whose target is 1); lower regularization ({config.regularization:g}, before "
            "what sparseness adds)"
        )


def _build_divergence_error(epoch: int, cause: str, config: TrainConfig) -> ModelError:
    return ModelError(
        f"training diverged in epoch {epoch} ({cause}); raise regularization ({config.regularization:g}) or look for "
        f"extreme strengths"
    )


def select_device(device: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device to compute on; ModelError when `cuda` is asked for and there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device 'cuda' is set but torch finds no GPU; set device to 'auto' or 'cpu'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
