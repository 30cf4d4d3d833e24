"""Models and merchandising rules of one published copy, by the arms of its active experiment."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from models_ml.errors import ModelError
from models_ml.inference.recommender import Recommender
from warehouse.errors import RecomartError
from warehouse.experiments import ExperimentArm, assign_arm
from warehouse.publishing.merchandising_rules import MerchandisingRules
from warehouse.publishing.placement_queries import HOME
from warehouse.publishing.serving_copy import ServingCopy

POPULARITY_POLICY = "popularity"
"""Policy of an experiment's arm whose customers get popular products."""

NO_LIST_POLICY = "none"
"""Policy of an experiment's arm whose customers get no recommendations."""


class NoModelError(RecomartError):
    """No model has been trained yet."""


class ModelUnavailableError(RecomartError):
    """The artifact of the published model is missing, damaged, unreadable or of another run."""


class ArmModels:
    """The models of a published copy by arm; without an arm, the published one. A model is loaded when it is needed."""

    def __init__(self, serving_copy: ServingCopy, models_dir: Path) -> None:
        self._serving_copy = serving_copy
        self._models_dir = models_dir
        self._models: dict[str | None, Recommender | str] = {}
        """Models, or error messages, by run; a damaged model is not read again by each query."""
        self._recommenders: dict[tuple[str | None, str], Recommender] = {}
        """Models restricted to the recommendable products, by run and rule profile."""
        self._rules: dict[str, MerchandisingRules] = {}
        """By rule profile."""
        self._profiles: dict[tuple[str, str | None], str] = {}
        """Rule profiles by placement and rule set."""

    @cached_property
    def arms(self) -> list[ExperimentArm]:
        """The arms of the active experiment; none without one."""
        return self._serving_copy.get_experiment_arms()

    def assign_arm(self, visitor_id: str | None) -> ExperimentArm | None:
        """Return the arm of a customer, or of a session; None when it takes no part."""
        return assign_arm(self.arms, visitor_id or "")

    def get_run_id(self, arm: ExperimentArm | None) -> str | None:
        """Return the model that ranks in an arm."""
        return self._serving_copy.published.run_id if arm is None else arm.run_id

    def get_rules(self, arm: ExperimentArm | None, placement: str = HOME) -> MerchandisingRules:
        """Return the merchandising rules of an arm in a placement."""
        profile = self._get_profile(arm, placement)
        if profile not in self._rules:
            self._rules[profile] = self._serving_copy.get_merchandising_rules(profile)
        return self._rules[profile]

    def get_recommender(self, arm: ExperimentArm | None, placement: str = HOME) -> Recommender:
        """Return the model that ranks in an arm, restricted to the products that a placement may recommend there.

        Raises:
            NoModelError: No model has been trained.
            ModelUnavailableError: The artifact of the model is missing, damaged, unreadable or of another run.
        """
        recommender_or_error = self.find_recommender(arm, placement)
        if isinstance(recommender_or_error, Recommender):
            return recommender_or_error
        error_type = NoModelError if self.get_run_id(arm) is None else ModelUnavailableError
        raise error_type(recommender_or_error)

    def find_recommender(self, arm: ExperimentArm | None, placement: str = HOME) -> Recommender | str:
        """Return the model that ranks in an arm, restricted as in `get_recommender`, or an error message."""
        key = self.get_run_id(arm), self._get_profile(arm, placement)
        if key not in self._recommenders:
            run_id = key[0]
            if run_id not in self._models:
                self._models[run_id] = self._load_model(run_id)
            model = self._models[run_id]
            if isinstance(model, str):
                return model
            self._recommenders[key] = model.restrict_products(self.get_rules(arm, placement).recommendable_products)
        return self._recommenders[key]

    def iter_recommenders(self) -> Iterator[Recommender]:
        """Yield the different results of `get_recommender` for the published copy and the arms in placement home."""
        arms_by_key = {(self.get_run_id(arm), self._get_profile(arm, HOME)): arm for arm in (None, *self.arms)}
        for (run_id, _), arm in arms_by_key.items():
            if run_id is not None:
                yield self.get_recommender(arm)

    def _get_profile(self, arm: ExperimentArm | None, placement: str) -> str:
        key = placement, arm.rule_set if arm else None
        if key not in self._profiles:
            self._profiles[key] = self._serving_copy.get_rule_profile(*key)
        return self._profiles[key]

    def _load_model(self, run_id: str | None) -> Recommender | str:
        if run_id is None:
            return "no model serves. Run `recomart run`, or read in `recomart models` why a trained model was rejected"
        folder = self._models_dir / run_id
        try:
            recommender = Recommender.load(folder)
        except ModelError as error:
            return f"{error} (`recomart run` trains and publishes another model)"
        if recommender.card.run_id != run_id:
            return (
                f"{folder} holds the model of run {recommender.card.run_id}. Restore the model of this run, or run "
                "`recomart run` to train and publish another one"
            )
        return recommender
