"""Performance targets of the benchmarks."""

from pydantic import BaseModel, ConfigDict


class Target(BaseModel):
    """A limit and the measured value."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    value: float | None
    """None when this run did not measure the value."""

    max_value: float | None = None
    min_value: float | None = None
    is_met: bool | None
    """None when the value was not measured, or at another size than the target's."""

    @classmethod
    def evaluate(
        cls,
        name: str,
        value: float | None,
        max_value: float | None = None,
        *,
        min_value: float | None = None,
        is_default_size: bool = True,
    ) -> "Target":
        """Compare a value with its limits; the limits hold for a benchmark of the default size or a larger one."""
        is_met = None
        if value is not None and is_default_size:
            is_met = (max_value is None or value <= max_value) and (min_value is None or value >= min_value)
        return cls(name=name, value=value, max_value=max_value, min_value=min_value, is_met=is_met)
