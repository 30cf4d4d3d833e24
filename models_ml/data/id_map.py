"""Text ids and their positions in a matrix."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models_ml.errors import ModelError, UnknownIdError


class IdMap:
    """A fixed set of text ids in code point order; an id's position is its row or column in every matrix."""

    def __init__(self, ids: pa.Array | pa.ChunkedArray | Sequence[str], kind: str) -> None:
        """Take the distinct `ids`; `kind` ('customer', 'product') is what messages call one of them."""
        column = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.large_string())
        if column.null_count:
            raise ModelError(f"{column.null_count} of the {kind} ids are null; ids must be text")
        distinct = pc.unique(column.cast(pa.large_string()))
        self.ids: pa.Array = distinct.take(pc.sort_indices(distinct))
        self.kind = kind

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, an_id: object) -> bool:
        return an_id in self._position_by_id

    @cached_property
    def _position_by_id(self) -> dict[str, int]:
        return {an_id: position for position, an_id in enumerate(self.ids.to_pylist())}

    def get_position(self, an_id: str) -> int:
        """Return the position of one id; UnknownIdError when it is unknown."""
        if an_id not in self._position_by_id:
            raise UnknownIdError(f"unknown {self.kind} {an_id!r}; the model knows {len(self):,} of them")
        return self._position_by_id[an_id]

    def get_known_positions(self, ids: Iterable[str]) -> list[int]:
        """Return the positions of those of `ids` that are known, in their order."""
        return [self._position_by_id[an_id] for an_id in ids if an_id in self._position_by_id]

    def find_positions(self, ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the position of every id of a column, -1 where it is unknown."""
        found = pc.fill_null(pc.index_in(ids.cast(pa.large_string()), value_set=self.ids), -1)
        return np.asarray(found, dtype=np.int64)

    def get_positions(self, ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the position of every id of a column; ModelError that names the first unknown one."""
        found = self.find_positions(ids)
        if (found < 0).any():
            unknown = ids[int(np.flatnonzero(found < 0)[0])].as_py()
            raise ModelError(f"{int((found < 0).sum()):,} unknown {self.kind} ids, the first is {unknown!r}")
        return found

    def take_ids(self, positions: npt.NDArray[np.integer]) -> pa.Array:
        """Return the ids at `positions` as a text column, null where a position is negative."""
        return self.ids.take(pa.array(positions, mask=positions < 0)).cast(pa.string())

    def get_id(self, position: int) -> str:
        """Return the id at one position."""
        return str(self.ids[position].as_py())
