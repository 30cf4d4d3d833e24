"""When a run trains anew, and what a new model must reach: the defaults, or what the warehouse's policy.json says."""

from pydantic import BaseModel, ConfigDict, Field

from models_ml.config import GatePolicy


class RetrainPolicy(BaseModel):
    """When a run trains a new model; each reason alone will do. Ages are those of the data, not of the clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    is_automatic: bool = True
    """Whether runs train without being asked; if not, the model that serves stays until somebody chooses another."""

    max_changed_share: float = Field(default=0.01, ge=0, le=1)
    """Share of all pairs of customer and product that are new, gone or otherwise than the serving model knew them."""

    max_age_days: float = Field(default=7.0, gt=0)
    """Days of data since the serving model was trained."""

    min_lift: float = Field(default=1.1, ge=0)
    """NDCG of the serving model, on what customers newly took since it was trained, as a multiple of popularity's."""

    min_lift_customers: int = Field(default=200, ge=1)
    """Customers who must have taken something new for that to be believed."""

    max_warm_start_days: float = Field(default=7.0, ge=0)
    """Days of data after which a training starts from nothing again and picks its number of epochs anew; in between it
    starts from the serving model's factors."""


class ModelPolicy(BaseModel):
    """Everything that decides over models without a human."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    retrain: RetrainPolicy = RetrainPolicy()
    gates: GatePolicy = GatePolicy()
