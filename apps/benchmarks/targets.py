"""What is asked of the house, beside what was measured."""

from pydantic import BaseModel, ConfigDict


class Target(BaseModel):
    """Something that is asked of what a benchmark measures: at most the limit."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    value: float | None
    """None when this run does not tell."""

    max_value: float
    is_met: bool | None

    @classmethod
    def evaluate(cls, name: str, value: float | None, max_value: float) -> "Target":
        """Judge what was measured."""
        return cls(name=name, value=value, max_value=max_value, is_met=None if value is None else value <= max_value)
