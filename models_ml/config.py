"""Settings of training and of the gates, with defaults for shops of thousands to hundreds of thousands of customers."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

MODEL_DEFINING_SETTINGS = frozenset(
    {
        *("factors", "regularization", "unobserved_weight", "strength_scale", "user_damping", "product_damping"),
        *("sparse_density", "max_sparsity", "regularization_growth", "unobserved_growth"),
        *("regularization_scales", "full_damping_history"),
        *("content_prior_customers", "customer_prior_products", "feature_ridge"),
        *("max_feature_words", "feature_number_bands"),
        *("trend_powers", "trend_prior_customers", "popularity_damping"),
        *("rerank_method", "rerank_weight", "rerank_depth"),
        *("graph_weights", "graph_popularity_powers", "graph_neighbors"),
        "repeat_weights",
    }
)
"""Settings that define the model and its lists; the others limit the computation or configure the evaluation."""


class TrainConfig(BaseModel):
    """Settings of one training run; the defaults were tuned on Last.fm, Amazon Beauty and Online Retail together."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    factors: int = Field(default=256, ge=1, le=4096)
    """Number of factors of each customer and product."""

    max_epochs: int = Field(default=20, ge=1, le=200)
    """Maximum number of epochs (passes over all products and customers); the validation window selects the number."""

    default_epochs: int = Field(default=8, ge=1, le=200)
    """Number of epochs when the validation window is empty or too small."""

    warm_epochs: int = Field(default=2, ge=1, le=200)
    """Number of epochs of a training that starts from the serving model's factors."""

    patience: int = Field(default=2, ge=1)
    """Early stopping: the search ends after this number of epochs without a better validation NDCG."""

    regularization: float = Field(default=0.25, gt=0, allow_inf_nan=False)
    """Penalty on squared factors, multiplied by the row's total confidence. Near 1, after the increase for sparse
    matrices, all factors become zero."""

    unobserved_weight: float = Field(default=40.0, gt=0, allow_inf_nan=False)
    """Total weight of the target 0 over all pairs, as a multiple of the observed pairs' total confidence. 20 gives a
    2.4 % lower NDCG than 40 at a density of 0.04, and differs by less than 1 % at 0.01 to 0.03."""

    sparse_density: float = Field(default=0.01, gt=0, le=1)
    """Density (share of observed pairs) below which the two settings above are increased. The sparsity is this value
    divided by the density."""

    max_sparsity: float = Field(default=10.0, ge=1, allow_inf_nan=False)
    """Upper bound of the sparsity."""

    regularization_growth: float = Field(default=1 / 3, ge=0, le=2)
    """`regularization` is multiplied by the sparsity to this power."""

    unobserved_growth: float = Field(default=0.45, ge=0, le=2)
    """`unobserved_weight` is multiplied by the sparsity to this power."""

    regularization_scales: tuple[Annotated[float, Field(gt=0, le=10)], ...] = Field(
        default=(1.0, 0.4, 1.5), min_length=1
    )
    """Candidate factors of `regularization` on sparse data; the validation window selects one. No rule over density and
    lengths of histories replaces this measurement: of two data sets with a density of 0.0006, synthetic customers with
    24 tastes have an 8 % higher NDCG with 1.5, and real customers with more tastes have a higher one with 0.4."""

    strength_scale: float = Field(default=3.0, ge=0, allow_inf_nan=False)
    """Growth of confidence with strength: 1 + scale * log(1 + strength / mean strength); 0 gives equal confidence."""

    user_damping: float = Field(default=0.25, ge=0, le=1)
    """Confidence is divided by the customer's number of products to this power; limits the effect of busy customers."""

    full_damping_history: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    """Mean number of products in a history below which `user_damping` is reduced in proportion. In short histories the
    numbers of products differ by chance: on Amazon Beauty, with 5 products, no damping gives 3 % more validation NDCG
    than 0.25, and on a synthetic shop with 15 it gives 1 % more."""

    product_damping: float = Field(default=0.25, ge=0, le=1)
    """Confidence is divided by the product's number of customers to this power; limits the effect of bestsellers."""

    content_prior_customers: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """Number of customers at which a product's own data and its declared features (category, brand, price, name, and
    those of other marts) have equal weight; 0 ignores the features of products."""

    customer_prior_products: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """Number of products in a history at which the history and the customer's declared features have equal weight; 0
    ignores the features of customers."""

    feature_ridge: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Ridge penalty of the regressions of factors on features."""

    max_feature_words: int = Field(default=1000, ge=0)
    """Maximum number of words that a feature of kind `words` has; the most frequent words are used."""

    feature_number_bands: int = Field(default=8, ge=1)
    """Number of bands of a feature of kind `number`, with equal numbers of products or customers."""

    trend_powers: tuple[Annotated[float, Field(ge=0, le=2)], ...] = Field(
        default=(0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5), min_length=1
    )
    """Candidate powers: scores are multiplied by the product's trend (its share of recent customers) to the power that
    the validation window selects. On Online Retail, 1.25 is best."""

    trend_prior_customers: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Prior of the trend: this number of customers with the average share of recent customers is added to every
    product, so that a product with few customers has no trend. 30 give 1.3 % more validation NDCG than 10 on Online
    Retail, and 0.1 % less on the demo shop."""

    default_trend_power: float = Field(default=0.5, ge=0, le=2)
    """The power when the validation window is empty or too small."""

    popularity_damping: float = Field(default=0.05, ge=0, le=1)
    """Power of the damping of bestsellers: scores are multiplied by (2 / (1 + x))^damping, with the number x of the
    product's customers of the last 28 days relative to the average product. The default is the strongest measured one
    that costs at most 1 % of the validation NDCG on the demo shop (+0.4 %), Online Retail (+0.3 %) and Last.fm (-1.0 %;
    0.1 costs 2.8 % there). In the two shops it raises coverage by 4 % and 5 % and lowers the share of the ten most
    listed products by 8 % and 2 %. `recomart trade-offs` measures it on any shop."""

    graph_weights: tuple[Annotated[float, Field(gt=0, le=10)], ...] = (0.05, 0.1, 0.2, 0.4)
    """Candidate weights of the item graph, whose scores are added to those of the factors; the validation window
    selects one of them or no graph. Without weights there is no graph."""

    graph_popularity_powers: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        default=(0.0, 0.25, 0.5, 0.75, 1.0), min_length=1
    )
    """Candidate powers: similarities in the item graph are multiplied by the neighbor's number of customers to the
    power that the validation window selects. On synthetic shops with densities of 0.0007 and 0.002, 0.75 has 2 % and
    1 % more validation NDCG than 0.5, and 1 has as much as 0.75."""

    graph_neighbors: int = Field(default=100, ge=1)
    """Maximum number of neighbors of a product in the item graph."""

    repeat_weights: tuple[Annotated[float, Field(ge=0, le=1000)], ...] = Field(
        default=(0.0, 1.0, 2.0, 4.0, 8.0, 16.0), min_length=1
    )
    """Candidate weights of the repeat term: the score of a product that the customer may buy again grows by its repeat
    score, the probability of the next purchase, times the weight that the validation window selects. On Online Retail,
    4 is best."""

    default_repeat_weight: float = Field(default=4.0, ge=0, le=1000)
    """The weight of the repeat term when the validation window is empty or too small."""

    cg_steps: int = Field(default=1, ge=1, le=100)
    """Conjugate gradient steps per half epoch. A second step makes an epoch 1.5 times as long and gives no better
    rankings on Last.fm, Amazon Beauty, Online Retail and the demo shop."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the initial factors."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of the computation; `auto` uses a GPU if torch finds one."""

    candidates_per_user: int = Field(default=300, ge=1)
    """Number of candidates per known customer, products not purchased yet; SQL applies the merchandising rules to them.
    docs/merchandising_rules.md has the share of the lists that they fill."""

    rerank_method: Literal["none", "mmr", "calibrated"] = "none"
    """Order of a customer's best products: `none` by score, `mmr` for lists of less similar products (maximal marginal
    relevance), `calibrated` for lists with the category mix of the customer's history. Below a cost of 0.5 % of the
    validation NDCG, `mmr` raises the diversity by 0.8 % (demo shop) and 0.9 % (Online Retail), and `calibrated`
    lowers the calibration error by 16 % (demo shop): too little for a default. `recomart trade-offs` measures them on
    any shop."""

    rerank_weight: float = Field(default=0.1, ge=0, le=1)
    """Weight of the second aim of the re-ranking against the score, which has the rest of 1."""

    rerank_depth: int = Field(default=100, ge=1)
    """Number of a customer's best products that the re-ranking puts into a new order, at most `candidates_per_user`."""

    k_values: tuple[Annotated[int, Field(le=1000)], ...] = Field(default=(5, 10, 20), min_length=1)
    """List lengths k of all ranking metrics, ascending."""

    max_evaluation_users: int = Field(default=100_000, ge=1)
    """Maximum number of evaluated known customers, and of evaluated new customers, of the test window; a larger window
    is sampled evenly by id."""

    bootstrap_resamples: int = Field(default=1_000, ge=1)
    """Number of bootstrap resamples for the confidence intervals of differences between methods."""

    activity_thresholds: tuple[int, ...] = (5, 20)
    """Lower bounds of the activity segments after the first, in products of the customer's history, ascending."""

    ablations: bool = True
    """Whether the evaluation also fits a model without each declared feature of an own mart, which shows what the
    feature adds. Each takes as long as the evaluation's own fit."""

    max_category_segments: int = Field(default=20, ge=1)
    """Maximum number of category segments, those with the most relevant pairs; all other categories are one segment."""

    head_share: float = Field(default=0.8, gt=0, le=1)
    """Share of all pairs that belong to the head (the most popular products); the other products are the long tail."""

    max_neighbors: int = Field(default=200, ge=1)
    """Maximum number of similar products that the item-item baseline keeps for each product."""

    max_ease_products: int = Field(default=5_000, ge=0)
    """Maximum number of products for which the baseline EASE is computed: its time grows with the third power of their
    number. 0 leaves it out."""

    selection_k: int = Field(default=10, ge=1)
    """List length k of the validation NDCG that selects the parameters of the model and the settings of the
    baselines."""

    screening_factors: int = Field(default=64, ge=1)
    """Number of factors of the short fits that select the regularization or screen settings. On Last.fm, Online Retail
    and the demo shop the best settings have the same validation NDCG with 64 and with 256 factors, within 1 %."""

    screening_users: int = Field(default=2_000, ge=1)
    """Maximum number of customers that these short fits measure in each window, sampled evenly by id."""

    max_selection_users: int = Field(default=5_000, ge=1)
    """Maximum number of customers of the validation window; a larger window is sampled evenly by id. On Amazon Beauty,
    an epoch trains in a fifth of the time that the lists of 20,000 customers take."""

    min_selection_users: int = Field(default=30, ge=1)
    """Minimum number of customers of the validation window; with fewer customers the defaults are used."""

    block_mib: int = Field(default=128, ge=1)
    """Size of the largest temporary buffers in MiB; rows are solved and scored in blocks of this size."""

    @field_validator("activity_thresholds", "k_values")
    @classmethod
    def _validate_ascending(cls, numbers: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        bound = 1 if info.field_name == "activity_thresholds" else 0
        if any(following <= previous for previous, following in pairwise((bound, *numbers))):
            raise ValueError(f"must be numbers above {bound} in ascending order")
        return numbers

    @model_validator(mode="after")
    def _validate_selection_k(self) -> Self:
        if self.selection_k > self.k_values[-1]:
            raise ValueError(f"selection_k {self.selection_k} is above the last of k_values, {self.k_values[-1]}")
        return self

    @model_validator(mode="after")
    def _validate_rerank_depth(self) -> Self:
        # Published lists are re-ranked among the candidates, evaluated ones among all products.
        if self.rerank_method != "none" and self.rerank_depth > self.candidates_per_user:
            raise ValueError(
                f"rerank_depth {self.rerank_depth} is above candidates_per_user {self.candidates_per_user}"
            )
        return self

    @property
    def max_k(self) -> int:
        """Length of the evaluated lists."""
        return self.k_values[-1]

    def describe_differences(self, other: "TrainConfig") -> str:
        """Return a text about the model-defining settings whose value differs in `other`; empty if none differs."""
        return ", ".join(
            f"{name} was {value:g}, is {getattr(other, name):g}" if isinstance(value, float | int) else name
            for name, value in self
            if name in MODEL_DEFINING_SETTINGS and value != getattr(other, name)
        )

    def adapt_to_matrix(self, density: float, mean_history: float) -> "TrainConfig":
        """Return the settings for a matrix of this `density` with histories of `mean_history` products on average.

        The adaptations of the result are switched off, so that a second call changes nothing.
        """
        sparsity = min(max(1.0, self.sparse_density / density), self.max_sparsity)
        return self.model_copy(
            update={
                "regularization": self.regularization * sparsity**self.regularization_growth,
                "unobserved_weight": self.unobserved_weight * sparsity**self.unobserved_growth,
                "regularization_growth": 0.0,
                "unobserved_growth": 0.0,
                "user_damping": self.user_damping * mean_history / max(mean_history, self.full_damping_history),
                "full_damping_history": 0.0,
            }
        )

    def scale_regularization(self, scale: float) -> "TrainConfig":
        """Return the settings with `regularization` multiplied by `scale`."""
        return self.model_copy(update={"regularization": self.regularization * scale})

    def compute_block_rows(self, cells_per_row: int) -> int:
        """Return the number of rows, at least 1, of `cells_per_row` 32-bit numbers that fit a temporary buffer."""
        return max(1, self.block_mib * 2**18 // max(1, cells_per_row))


class GatePolicy(BaseModel):
    """Conditions that a new model must meet before it serves."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    k: int = Field(default=10, ge=1)
    """List length k of the compared metrics; must be one of the training's `k_values`."""

    max_loss: float = Field(default=0.05, ge=0, le=1)
    """Maximum relative loss of NDCG against the serving model, in the serving model's test window. The gate fails if
    the whole 95 % interval of the difference is below this loss."""

    max_possible_loss: float = Field(default=0.1, ge=0, le=1)
    """Maximum relative loss of NDCG at the lower end of that interval. Wrong products in the data make some lists
    better and many lists worse, which the mean barely shows: in three small shops with 40 % additional clicks on wrong
    products, the new model was 4 to 10 % worse, and 16 to 21 % worse at the end of the interval. After ordinary days,
    25 of 26 models lost less than 10 % there."""

    min_evaluated_users: int = Field(default=200, ge=1)
    """Minimum number of evaluated customers for the check of `max_possible_loss`: few customers give wide intervals."""

    min_coverage: float = Field(default=0.5, ge=0, le=1)
    """Minimum catalog coverage relative to the serving model's, each in its own test window."""

    max_customers_lost: float = Field(default=0.1, ge=0, le=1)
    """Maximum share of the serving model's customers by which the new model's number of customers may be lower."""
