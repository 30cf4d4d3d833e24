"""Sparse matrices of declared features: which products or customers have which values."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from models_ml.config import TrainConfig
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError

Positions = npt.NDArray[np.int64]

WORD_SEPARATOR = r"[^\pL\pN]+"


class FeatureValue(NamedTuple):
    """One column of a feature matrix: a category, a band of numbers or a word."""

    feature: str
    """The declared column, as `<model>.<column>`."""
    value: str


@dataclass(frozen=True)
class FeatureMatrix:
    """Declared features of products or of customers."""

    ids: IdMap
    matrix: Csr
    """Ids x feature values; a row that is not empty has the Euclidean norm 1, an id without known values has an empty
    row."""
    values: list[FeatureValue]
    """The columns of the matrix."""

    @classmethod
    def from_rows(
        cls, rows: pa.Table, ids: IdMap, config: TrainConfig, reference_ids: IdMap | None = None
    ) -> "FeatureMatrix":
        """Build the matrix from the rows of a dataset's `features` of one subject at one cutoff.

        A category is one value, and a product or customer may have several. A number becomes one of
        `feature_number_bands` bands with equal numbers of ids. A text of `words` becomes its words, of which the
        `max_feature_words` most frequent ones count. Rows of other ids are ignored.

        Bands, words and values come from `reference_ids` (by default all ids). A value that only one of them has
        carries no information about the others, so it is dropped.

        Raises:
            ModelError: A kind is unknown.
        """
        rows = rows.filter(pc.is_in(rows["subject_id"], value_set=ids.ids))
        reference = ids if reference_ids is None else reference_ids
        entry_rows, entry_columns, columns = list[Positions](), list[Positions](), list[FeatureValue]()
        for feature in sorted(pc.unique(rows["feature"]).to_pylist()):
            feature_rows = rows.filter(pc.equal(rows["feature"], feature))
            is_reference = pc.is_in(feature_rows["subject_id"], value_set=reference.ids)
            source_rows, texts = _extract_texts(feature_rows, is_reference, config)
            counts = pc.value_counts(texts.filter(is_reference.combine_chunks().take(pa.array(source_rows))))
            shared = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).sort()
            codes = np.asarray(pc.fill_null(pc.index_in(texts, value_set=shared), -1), dtype=np.int64)
            positions = ids.get_positions(feature_rows["subject_id"])[source_rows]
            entry_rows.append(positions[codes >= 0])
            entry_columns.append(len(columns) + codes[codes >= 0])
            columns += [FeatureValue(feature, value) for value in shared.to_pylist()]
        if not columns:
            return cls.empty(ids)
        # A word can occur twice in one name.
        pairs = torch.from_numpy(np.unique(np.concatenate(entry_rows) * len(columns) + np.concatenate(entry_columns)))
        shape = (len(ids), len(columns))
        matrix = Csr.from_pairs(pairs // len(columns), pairs % len(columns), torch.ones(len(pairs)), shape)
        inverse_norms = matrix.lengths.clamp(min=1).float().rsqrt()
        return cls(ids, matrix.replace_values(torch.repeat_interleave(inverse_norms, matrix.lengths)), columns)

    @classmethod
    def empty(cls, ids: IdMap) -> "FeatureMatrix":
        """Return a matrix without feature values."""
        return cls(ids, Csr.empty(len(ids), 0), [])

    def select(self, ids: pa.Array | pa.ChunkedArray) -> Csr:
        """Return the rows of `ids` in their order, ids x feature values; the row of an unknown id is empty."""
        last_start = self.matrix.row_starts[-1:]
        with_empty_row = Csr(
            torch.cat([self.matrix.row_starts, last_start]),
            self.matrix.columns,
            self.matrix.values,
            self.matrix.column_count,
        )
        positions = torch.from_numpy(self.ids.find_positions(ids)).to(last_start.device)
        return with_empty_row.select_rows(torch.where(positions < 0, len(self.ids), positions))

    def find_row(self, text_id: str) -> Csr | None:
        """Return the row of one id as a matrix; None when the id is unknown or has no known value."""
        if text_id not in self.ids:
            return None
        position = self.ids.get_position(text_id)
        row = self.matrix.slice_rows(position, position + 1)
        return row if row.entry_count else None


def select_subject(features: pa.Table, subject: str) -> pa.Table:
    """Return the rows of a dataset's `features` about products (`product`) or customers (`customer`)."""
    return features.filter(pc.equal(features["subject"], subject))


def build_customer_features(features: pa.Table, users: IdMap, config: TrainConfig) -> FeatureMatrix:
    """Return the features of all customers in the rows of a dataset's `features` at one cutoff.

    `users` are the customers of the training, whose values and bands the matrix has.
    """
    rows = select_subject(features, "customer")
    return FeatureMatrix.from_rows(rows, IdMap(rows["subject_id"], "customer"), config, users)


def _extract_texts(rows: pa.Table, is_reference: pa.ChunkedArray, config: TrainConfig) -> tuple[Positions, pa.Array]:
    """Return the values of one feature as texts, and the row of each value."""
    (kind,) = pc.unique(rows["kind"]).to_pylist()
    if kind == "category":
        return np.arange(rows.num_rows), rows["text_value"].combine_chunks()
    if kind == "number":
        return np.arange(rows.num_rows), _name_bands(rows["number_value"], is_reference, config.feature_number_bands)
    if kind == "words":
        return _find_frequent_words(rows["text_value"], is_reference, config.max_feature_words)
    raise ModelError(f"a feature of the dataset has the unknown kind {kind!r}. Train again from the marts")


def _name_bands(numbers: pa.ChunkedArray, is_reference: pa.ChunkedArray, band_count: int) -> pa.Array:
    """Return the name of the quantile band of each number, such as `10 to 20` (20 excluded)."""
    values = numbers.to_numpy().astype(np.float64)
    reference_values = values[is_reference.to_numpy()]
    quantiles = np.linspace(0, 1, band_count + 1)[1:-1]
    edges = np.unique(np.quantile(reference_values, quantiles)) if len(reference_values) else np.zeros(0)
    texts = [f"{edge:.12g}" for edge in edges]
    names = (
        [f"below {texts[0]}", *(" to ".join(pair) for pair in pairwise(texts)), f"from {texts[-1]}"]
        if texts
        else ["any number"]
    )
    return pa.array(names, pa.large_string()).take(pa.array(np.searchsorted(edges, values, side="right")))


def _find_frequent_words(
    texts: pa.ChunkedArray, is_reference: pa.ChunkedArray, max_words: int
) -> tuple[Positions, pa.Array]:
    """Return the occurrences of the `max_words` most frequent words: the row of the text, and the word."""
    lists = pc.split_pattern_regex(pc.utf8_lower(texts), WORD_SEPARATOR).combine_chunks()
    words, rows = pc.list_flatten(lists), pc.list_parent_indices(lists)
    counts = pc.value_counts(words.filter(is_reference.combine_chunks().take(rows)))
    order = pc.sort_indices(
        pa.table({"word": counts.field("values"), "count": counts.field("counts")}),
        [("count", "descending"), ("word", "ascending")],
    )
    by_frequency = counts.field("values").take(order)
    frequent = by_frequency.filter(pc.not_equal(by_frequency, "")).slice(0, max_words)
    is_frequent = pc.is_in(words, frequent)
    return rows.filter(is_frequent).to_numpy().astype(np.int64), words.filter(is_frequent)
