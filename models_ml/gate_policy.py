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

    most_possible_loss: float = Field(default=0.1, ge=0, le=1)
    """Share of the serving model's NDCG that a new one must not possibly fall short of there: the end of that interval.
    Wrong products make some lists better and many worse, which the mean hardly tells: in three small shops that got
    40 % more clicks, all on other products, the new model was 4 to 10 % worse, at the end of the interval 16 to 21 %;
    of 26 models after ordinary days 25 stayed above 10 % there."""

    believed_customers: int = Field(default=200, ge=1)
    """Customers who must have been measured for that to be asked: with few of them every interval is wide."""

    least_coverage: float = Field(default=0.5, ge=0, le=1)
    """Share of the serving model's catalog coverage that a new one must reach, each in its own test window."""

    most_customers_lost: float = Field(default=0.1, ge=0, le=1)
    """Share of the serving model's customers that a new one may have forgotten."""
