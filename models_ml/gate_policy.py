"""What a new model must reach to serve, as far as it can be set."""

from pydantic import BaseModel, ConfigDict, Field


class GatePolicy(BaseModel):
    """What a new model must reach to serve."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    cutoff: int = Field(default=10, ge=1)
    """Length of the lists that are judged; one of the training's `cutoffs`."""

    most_loss: float = Field(default=0.05, ge=0, le=1)
    """Share of the serving model's NDCG that a new one may fall short of in that model's test window; more, beyond the
    doubt of a 95 % interval, and it does not serve."""

    least_coverage: float = Field(default=0.5, ge=0, le=1)
    """Share of the serving model's catalog coverage that a new one must reach, each in its own test window."""

    most_customers_lost: float = Field(default=0.1, ge=0, le=1)
    """Share of the serving model's customers that a new one may have forgotten."""
