"""What is asked of the house, beside what was measured."""

from pydantic import BaseModel, ConfigDict


class Target(BaseModel):
    """Something that is asked of what a benchmark measures: at most the limit."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    target: str
    measured: float | None
    """None when this run does not tell."""

    limit: float
    is_met: bool | None

    @classmethod
    def of(cls, target: str, measured: float | None, limit: float) -> "Target":
        """Judge what was measured."""
        return cls(
            target=target, measured=measured, limit=limit, is_met=None if measured is None else measured <= limit
        )
