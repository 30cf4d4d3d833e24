"""What can be set about training, with defaults that suit shops of thousands to hundreds of thousands of customers."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

MODEL_DEFINING_SETTINGS = frozenset(
    {
        *("factors", "regularization", "unobserved_weight", "strength_scale", "user_damping", "product_damping"),
        *("sparse_density", "max_sparsity", "regularization_growth", "unobserved_growth"),
        *("content_prior_customers", "content_ridge", "max_content_words", "content_price_bands"),
        *("trend_powers", "trend_prior_customers"),
    }
)
"""Settings that decide which model a training looks for; the others say how far it gets, or how it is measured."""


class TrainConfig(BaseModel):
    """Settings of one training run; the defaults were chosen on Last.fm, Amazon Beauty and Online Retail together."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    factors: int = Field(default=256, ge=1, le=4096)
    """Length of every customer's and product's vector."""

    max_epochs: int = Field(default=20, ge=1, le=200)
    """Most passes over all products and all customers; the validation window picks the number within it."""

    default_epochs: int = Field(default=8, ge=1, le=200)
    """Passes when the validation window is empty or too small to pick by."""

    warm_epochs: int = Field(default=2, ge=1, le=200)
    """Passes of a training that starts from the serving model's factors."""

    patience: int = Field(default=2, ge=1)
    """Passes without a better validation NDCG after which the search for the number of passes ends."""

    regularization: float = Field(default=0.25, gt=0, allow_inf_nan=False)
    """Penalty on squared factors, multiplied by the row's total confidence; near 1 (what sparseness makes of it
    included) it leaves nothing but zeros."""

    unobserved_weight: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    """Weight of all pairs' pull towards zero, as a multiple of the observed pairs' total confidence."""

    sparse_density: float = Field(default=0.01, gt=0, le=1)
    """Share of all pairs observed below which a matrix is sparse, and the two settings above grow."""

    max_sparsity: float = Field(default=10.0, ge=1, allow_inf_nan=False)
    """How many times sparser than that, at the most, a matrix counts as."""

    regularization_growth: float = Field(default=1 / 3, ge=0, le=2)
    """`regularization` is multiplied by that sparsity to this power."""

    unobserved_growth: float = Field(default=0.75, ge=0, le=2)
    """`unobserved_weight` is multiplied by that sparsity to this power."""

    strength_scale: float = Field(default=3.0, ge=0, allow_inf_nan=False)
    """How much confidence grows with strength: 1 + scale * log(1 + strength / mean strength); 0 counts pairs alike."""

    user_damping: float = Field(default=0.25, ge=0, le=1)
    """Confidence falls with the customer's number of products to this power, so that the busiest do not rule."""

    product_damping: float = Field(default=0.25, ge=0, le=1)
    """Confidence falls with the product's number of customers to this power, so that bestsellers do not rule."""

    content_prior_customers: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """Customers with whom a product leans half on its content (category, brand, price band, name); 0: it never does."""

    content_ridge: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Penalty on the squared coefficients that turn content into factors."""

    max_content_words: int = Field(default=1000, ge=0)
    """Most words of product names that count as content, the most frequent ones."""

    content_price_bands: int = Field(default=8, ge=1)
    """Equal parts that the products are cut into by price."""

    trend_powers: tuple[Annotated[float, Field(ge=0, le=2)], ...] = Field(
        default=(0.0, 0.25, 0.5, 0.75, 1.0), min_length=1
    )
    """Scores are multiplied by a product's trend (how many of its customers came lately) to one of these powers."""

    trend_prior_customers: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Customers with the usual share of late ones that are added to every product's, so that a handful is no trend."""

    default_trend_power: float = Field(default=0.5, ge=0, le=2)
    """The power when the validation window is empty or too small to pick by."""

    cg_steps: int = Field(default=1, ge=1, le=100)
    """Conjugate gradient steps of every half pass; with a second one a pass takes half as long again, and on Last.fm,
    Amazon Beauty, Online Retail and the demo shop the rankings after it are no better."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the factors' first values."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes a GPU when there is one."""

    candidates_per_user: int = Field(default=300, ge=1)
    """Products not bought yet that are kept for every known customer, for SQL to apply the shop's rules to: with 10 at
    most of each of 12 categories, 100 fill 43 % of lists of 50, 200 fill 85 % and 300 fill 97 %."""

    k_values: tuple[Annotated[int, Field(le=1000)], ...] = Field(default=(5, 10, 20), min_length=1)
    """Lengths of the top lists that every ranking metric is measured at, ascending."""

    max_evaluation_users: int = Field(default=100_000, ge=1)
    """Most customers of the test window that are measured, known and new ones each, evenly spaced by id."""

    bootstrap_resamples: int = Field(default=1_000, ge=1)
    """Times that the measured customers are drawn anew for the intervals of differences between methods."""

    activity_thresholds: tuple[int, ...] = (5, 20)
    """Numbers of products in a history at which the next segment of customers by activity begins, ascending."""

    max_category_segments: int = Field(default=20, ge=1)
    """Categories with the most relevant pairs that are measured on their own; the others are one segment."""

    head_share: float = Field(default=0.8, gt=0, le=1)
    """Share of all pairs that the most popular products, the head, have together; the others are the long tail."""

    max_neighbors: int = Field(default=200, ge=1)
    """Most similar products of each that the item-item baseline goes by."""

    selection_k: int = Field(default=10, ge=1)
    """Length of the lists whose validation NDCG the settings are chosen by."""

    max_selection_users: int = Field(default=20_000, ge=1)
    """Most customers of the validation window that the number of passes is picked by, evenly spaced by id."""

    min_selection_users: int = Field(default=30, ge=1)
    """Fewest customers of the validation window that can pick it; fewer are noise, and the default stands."""

    block_mib: int = Field(default=128, ge=1)
    """Size of the largest temporary buffers in MiB; rows are solved and scored in blocks that fit."""

    @field_validator("activity_thresholds", "k_values")
    @classmethod
    def _validate_ascending(cls, numbers: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        least = 1 if info.field_name == "activity_thresholds" else 0
        if any(later <= earlier for earlier, later in pairwise((least, *numbers))):
            raise ValueError(f"must be numbers above {least}, each above the one before")
        return numbers

    @model_validator(mode="after")
    def _validate_selection_k(self) -> Self:
        if self.selection_k > self.k_values[-1]:
            raise ValueError(f"selection_k {self.selection_k} is above the last of k_values, {self.k_values[-1]}")
        return self

    def describe_differences(self, other: "TrainConfig") -> str:
        """Return, in words, how `other` would train another model; empty when only what does not shape one differs."""
        return ", ".join(
            f"{name} {mine:g} there, {getattr(other, name):g} now" if isinstance(mine, float | int) else name
            for name, mine in self
            if name in MODEL_DEFINING_SETTINGS and mine != getattr(other, name)
        )

    def adapt_to_density(self, density: float) -> "TrainConfig":
        """Return the settings as they hold where `density` of all pairs are observed: nothing is left to grow."""
        sparsity = min(max(1.0, self.sparse_density / density), self.max_sparsity)
        return self.model_copy(
            update={
                "regularization": self.regularization * sparsity**self.regularization_growth,
                "unobserved_weight": self.unobserved_weight * sparsity**self.unobserved_growth,
                "regularization_growth": 0.0,
                "unobserved_growth": 0.0,
            }
        )

    def compute_block_rows(self, cells_per_row: int) -> int:
        """Return how many rows of `cells_per_row` 32-bit numbers fit a temporary buffer, at least one."""
        return max(1, self.block_mib * 2**18 // max(1, cells_per_row))


class GatePolicy(BaseModel):
    """What a new model must reach to serve."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    k: int = Field(default=10, ge=1)
    """Length of the lists that are judged; one of the training's `k_values`."""

    max_loss: float = Field(default=0.05, ge=0, le=1)
    """Share of the serving model's NDCG that a new one may fall short of in that model's test window; more, beyond the
    doubt of a 95 % interval, and it does not serve."""

    max_possible_loss: float = Field(default=0.1, ge=0, le=1)
    """Share of the serving model's NDCG that a new one must not possibly fall short of there: the end of that interval.
    Wrong products make some lists better and many worse, which the mean hardly tells: in three small shops that got
    40 % more clicks, all on other products, the new model was 4 to 10 % worse, at the end of the interval 16 to 21 %;
    of 26 models after ordinary days 25 stayed above 10 % there."""

    min_evaluated_users: int = Field(default=200, ge=1)
    """Customers who must have been measured for that to be asked: with few of them every interval is wide."""

    min_coverage: float = Field(default=0.5, ge=0, le=1)
    """Share of the serving model's catalog coverage that a new one must reach, each in its own test window."""

    max_customers_lost: float = Field(default=0.1, ge=0, le=1)
    """Share of the serving model's customers that a new one may have forgotten."""
