"""Model policy: when a run trains a new model, and the gates that a new model must pass."""

from pydantic import BaseModel, ConfigDict, Field

from models_ml.config import GatePolicy


class RetrainPolicy(BaseModel):
    """Conditions under which a run trains a new model; one condition is enough. Ages are measured in days of data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    is_automatic: bool = True
    """Whether runs train automatically. If not, the serving model stays until a user trains or promotes another."""

    max_changed_share: float = Field(default=0.01, ge=0, le=1)
    """A run trains when a larger share of all pairs of customer and product is new, removed or changed since the
    serving model was trained."""

    max_age_days: float = Field(default=7.0, gt=0)
    """A run trains when the data are this many days newer than the serving model."""

    min_lift: float = Field(default=1.1, ge=0)
    """A run trains when the serving model's NDCG is below this multiple of popularity's NDCG, measured on the new
    interactions of customers since it was trained."""

    min_lift_customers: int = Field(default=200, ge=1)
    """Minimum number of customers with new interactions for the condition `min_lift`; with fewer it is not checked."""

    max_warm_start_days: float = Field(default=7.0, ge=0)
    """Days of data after the last cold start during which trainings start from the serving model's factors. Later
    trainings are cold starts and select their number of epochs again."""


class ModelPolicy(BaseModel):
    """Rules that decide about models automatically: when to train, and which models may serve."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    retrain: RetrainPolicy = RetrainPolicy()
    gates: GatePolicy = GatePolicy()
