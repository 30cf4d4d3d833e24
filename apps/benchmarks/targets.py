"""Performance targets of the benchmarks."""

from pydantic import BaseModel, ConfigDict


class Target(BaseModel):
    """An upper limit and the measured value."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    value: float | None
    """None when this run did not measure the value."""

    max_value: float
    is_met: bool | None
    """None when the value was not measured."""

    @classmethod
    def evaluate(cls, name: str, value: float | None, max_value: float) -> "Target":
        """Compare a measured value with its limit."""
        return cls(name=name, value=value, max_value=max_value, is_met=None if value is None else value <= max_value)
