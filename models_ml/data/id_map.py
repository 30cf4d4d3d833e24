"""Text ids and their positions in a matrix."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from models_ml.data.sparse import Csr
from models_ml.errors import ModelError, UnknownIdError


class IdMap:
    """A fixed set of text ids in code point order; the position of an id is its row or column in every matrix."""

    def __init__(self, ids: pa.Array | pa.ChunkedArray | Sequence[str], kind: str) -> None:
        """Sort and deduplicate `ids`; `kind` ('customer', 'product') names them in messages.

        Raises:
            ModelError: An id is null.
        """
        column = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.large_string())
        if column.null_count:
            raise ModelError(f"{kind} ids: {column.null_count} are null. Give a text id in every row")
        distinct = pc.unique(column.cast(pa.large_string()))
        self.ids: pa.Array = distinct.take(pc.sort_indices(distinct))
        self.kind = kind

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, text_id: object) -> bool:
        return text_id in self._position_by_id

    def get_position(self, text_id: str) -> int:
        """Return the position of one id.

        Raises:
            UnknownIdError: The id is unknown.
        """
        if text_id not in self._position_by_id:
            raise UnknownIdError(
                f"unknown {self.kind} {text_id!r}: it is not one of the model's {len(self):,} {self.kind} ids. Check "
                f"the id; a {self.kind} added since the training is known after the next training"
            )
        return self._position_by_id[text_id]

    def get_known_positions(self, ids: Iterable[str]) -> list[int]:
        """Return the positions of the known ids among `ids`, in their order."""
        return [self._position_by_id[text_id] for text_id in ids if text_id in self._position_by_id]

    def find_positions(self, ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the position of every id of a column, -1 for an unknown id; int64 of shape (ids)."""
        positions = pc.fill_null(pc.index_in(ids.cast(pa.large_string()), value_set=self.ids), -1)
        return np.asarray(positions, dtype=np.int64)

    def get_positions(self, ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the position of every id of a column, int64 of shape (ids).

        Raises:
            ModelError: An id is unknown; the message names the first such id.
        """
        positions = self.find_positions(ids)
        if (positions < 0).any():
            first_unknown = ids[int(np.flatnonzero(positions < 0)[0])].as_py()
            raise ModelError(f"{int((positions < 0).sum()):,} unknown {self.kind} ids, the first is {first_unknown!r}")
        return positions

    def take_ids(self, positions: npt.NDArray[np.integer]) -> pa.Array:
        """Return the ids at `positions` as a text column, null for a negative position."""
        return self.ids.take(pa.array(positions, mask=positions < 0)).cast(pa.string())

    def get_id(self, position: int) -> str:
        """Return the id at one position."""
        return str(self.ids[position].as_py())

    @cached_property
    def _position_by_id(self) -> dict[str, int]:
        return {text_id: position for position, text_id in enumerate(self.ids.to_pylist())}


def remove_row(ids: IdMap, matrix: Csr, text_id: str) -> tuple[IdMap, Csr]:
    """Return the ids and the matrix, ids x columns, without the row of an id; unchanged for an unknown id."""
    is_kept = torch.ones(len(ids), dtype=torch.bool)
    is_kept[ids.get_known_positions([text_id])] = False
    rows = torch.nonzero(is_kept)[:, 0].to(matrix.columns.device)
    return IdMap(ids.ids.filter(pa.array(is_kept.numpy())), ids.kind), matrix.select_rows(rows)
