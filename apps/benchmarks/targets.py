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
    """None when the value was not measured, or at another size than the target's."""

    @classmethod
    def evaluate(cls, name: str, value: float | None, max_value: float, *, is_default_size: bool = True) -> "Target":
        """Compare a value with its limit; the limits hold for a benchmark of the default size or a larger one."""
        is_met = value <= max_value if value is not None and is_default_size else None
        return cls(name=name, value=value, max_value=max_value, is_met=is_met)
