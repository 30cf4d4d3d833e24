"""Model artifacts on disk: a folder with tensors (safetensors), ids (Parquet) and a model card (JSON), no pickles."""

import hashlib
import json
import platform
import shutil
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models_ml.als.confidence import Confidence
from models_ml.als.factor_model import FactorModel
from models_ml.config import TrainConfig
from models_ml.data.atomic_folders import create_folder_atomically
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import RankingModel, SelectedParams

CARD_FILE, TENSORS_FILE = "card.json", "tensors.safetensors"
ID_COLUMNS = {
    "users.parquet": "user_id",
    "products.parquet": "product_id",
    "customers_with_features.parquet": "user_id",
}
"""The files of ids in an artifact, and their columns: customers with a history, products, customers with declared
features."""


class ArtifactIds(NamedTuple):
    """Ids in the order of the tensors, as in `ID_COLUMNS`."""

    users: pa.Array
    products: pa.Array
    customers_with_features: pa.Array


class ModelCard(BaseModel):
    """Description of a model: identity, settings, sizes, metrics and checksums."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal["recomart-recommender"] = "recomart-recommender"
    """Identifies artifacts of RecoMart."""
    format_version: Literal[7] = 7
    """Version of the folder's layout and of the names in the card."""
    run_id: str
    """Id of the training run."""
    trained_at: datetime
    """Time of the training, UTC."""
    dataset_hash: str
    """Dataset version of the training."""
    as_of: datetime
    """End of the training data, UTC; every interaction is before it."""
    config: TrainConfig
    """Settings of the run."""
    epochs: int
    """Number of epochs of a cold start, selected on the validation window. A warm start keeps the number of the model
    that it starts from, but trains the config's `warm_epochs`."""
    trend_power: float
    """Power of the products' trends in the scores."""
    graph_weight: float = 0.0
    """Weight of the item graph's scores; 0 without a graph."""
    graph_popularity_power: float = 0.0
    """Power of the neighbors' numbers of customers in the item graph."""
    regularization_scale: float = 1.0
    """Factor of the config's `regularization` that the validation window selected."""
    graph_entries: int = 0
    """Number of pairs of a product and a neighbor in the item graph."""
    repeat_weight: float = 0.0
    """Weight of the repeat scores in the scores of products that a customer may buy again."""
    repeat_entries: int = 0
    """Number of repeat scores; 0 in a shop without repeat purchases."""
    warm_from: str | None = None
    """Run whose product factors were the initial factors; None without a warm start."""
    users: int
    """Number of known customers."""
    products: int
    """Number of known products."""
    trained_products: int
    """Number of products with customers in the training data; the others have factors predicted from their features."""
    interactions: int
    """Number of customer-product pairs of the training data."""
    mean_strength: float
    """Mean strength of these pairs."""
    user_damping: float
    """The config's `user_damping`, reduced for short histories."""
    unobserved_pair_weight: float
    """Weight of the target 0 of each pair."""
    regularization: float
    """Penalty on squared factors per unit of a row's total confidence, observed and unobserved."""
    customers_with_features: int = 0
    """Number of customers with declared features, with or without a history."""
    customer_feature_entries: int = 0
    """Number of known values of these customers."""
    customer_features: list[tuple[str, str]] = []
    """Feature and value of the customers' declared features that the model knows, in the order of its coefficients."""
    metrics: list[dict[str, str | int | float]] = []
    """The run's rows of ml.ranking_metrics over all known customers and products."""
    versions: dict[str, str] = {}
    """Versions of Python and of the libraries of the training."""
    files: dict[str, str] = {}
    """sha256 of the folder's other files."""
    checksum: str = ""
    """sha256 of all other fields; detects changes of the card, which holds settings of inference."""

    @property
    def selected_params(self) -> SelectedParams:
        """The parameters of a cold start that the validation window selected."""
        return SelectedParams(
            self.epochs,
            self.trend_power,
            self.graph_weight,
            self.graph_popularity_power,
            self.regularization_scale,
            repeat_weight=self.repeat_weight,
        )

    @property
    def trained_epochs(self) -> int:
        """The number of epochs of the training."""
        return self.epochs if self.warm_from is None else self.config.warm_epochs


def get_library_versions() -> dict[str, str]:
    """Return the installed versions of Python and of the libraries that a card records."""
    libraries = ("torch", "numpy", "pyarrow", "safetensors")
    return {"python": platform.python_version(), **{library: version(library) for library in libraries}}


def write_artifact(path: Path, card: ModelCard, ids: ArtifactIds, tensors: Mapping[str, Tensor]) -> None:
    """Write the artifact folder `path` atomically, with versions, file hashes and checksum added to `card`.

    Raises:
        ModelError: The folder exists.
    """
    if path.exists():
        raise ModelError(f"{path} exists already: artifacts are never overwritten. Save under another run id")
    with create_folder_atomically(path) as unfinished:
        save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, unfinished / TENSORS_FILE)
        for (name, column), column_ids in zip(ID_COLUMNS.items(), ids, strict=True):
            pq.write_table(pa.table({column: column_ids}), unfinished / name, compression="zstd")
        # safetensors makes its file readable by the owner only; the other files follow the umask.
        shutil.copymode(unfinished / name, unfinished / TENSORS_FILE)
        files = {name: _hash_file(unfinished / name) for name in (TENSORS_FILE, *ID_COLUMNS)}
        unsigned = card.model_copy(update={"versions": get_library_versions(), "files": files})
        complete = unsigned.model_copy(update={"checksum": compute_card_checksum(unsigned.model_dump_json())})
        (unfinished / CARD_FILE).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_artifact(path: Path) -> tuple[ModelCard, ArtifactIds, dict[str, Tensor]]:
    """Return the card, ids and tensors of the artifact folder `path`.

    Raises:
        ModelError: A file is missing, cannot be read, does not match its checksum, or has another format version; the
            message names the file.
    """
    for name in (CARD_FILE, TENSORS_FILE, *ID_COLUMNS):
        file = path / name
        # A pipe has no end.
        if file.exists() and not file.is_file():
            raise ModelError(f"{file} cannot be read: it is no regular file. Restore it or train again")
    card = _read_card(path / CARD_FILE)
    for name in (TENSORS_FILE, *ID_COLUMNS):
        file = path / name
        try:
            checksum = _hash_file(file)
        except FileNotFoundError:
            raise ModelError(f"{file} is missing: the artifact is incomplete. Restore it or train again") from None
        except OSError as error:
            raise ModelError(f"{file} cannot be read: {error.strerror}. Restore it or train again") from None
        if checksum != card.files.get(name):
            raise ModelError(
                f"{file} does not match the checksum in {CARD_FILE}: the artifact is damaged or mixed up. Restore it "
                "or train again"
            )
    try:
        # Copies of the memory-mapped tensors: the alignment of the mapped file changes the last bits of results.
        tensors = {name: tensor.clone() for name, tensor in load_file(path / TENSORS_FILE).items()}
        ids = ArtifactIds(
            *(pq.read_table(path / name).column(0).combine_chunks().cast(pa.large_string()) for name in ID_COLUMNS)
        )
    except (SafetensorError, pa.ArrowException, OSError) as error:
        raise ModelError(f"the artifact {path} cannot be read: {error}. Restore it or train again") from error
    factors = (card.products, card.config.factors)
    expected = {
        "product_factors": factors,
        "eigenvalues": factors[1:],
        "product_weight": factors[:1],
        "multipliers": factors[:1],
        "row_starts": (card.users + 1,),
        "columns": (card.interactions,),
        "strengths": (card.interactions,),
        "graph_row_starts": (card.products + 1,),
        **dict.fromkeys(("graph_columns", "graph_similarities"), (card.graph_entries,)),
        "repeat_row_starts": (card.users + 1,),
        **dict.fromkeys(("repeat_columns", "repeat_scores"), (card.repeat_entries,)),
        "customer_coefficients": (len(card.customer_features), card.config.factors),
        "feature_row_starts": (card.customers_with_features + 1,),
        **dict.fromkeys(("feature_columns", "feature_values"), (card.customer_feature_entries,)),
        "categories": factors[:1] if card.config.rerank_method == "calibrated" else (0,),
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    sizes = (card.users, card.products, card.customers_with_features)
    if shapes != expected or tuple(map(len, ids)) != sizes:
        raise ModelError(
            f"{path / CARD_FILE} does not describe the other files: the artifact is damaged or mixed up. Restore it or "
            "train again"
        )
    return card, ids, tensors


def build_model(card: ModelCard, tensors: Mapping[str, Tensor]) -> RankingModel:
    """Return the model of an artifact's card and tensors."""
    factors = FactorModel(
        product_factors=tensors["product_factors"],
        multipliers=tensors["multipliers"],
        eigenvalues=tensors["eigenvalues"],
        trained_product_count=card.trained_products,
        confidence=Confidence(
            card.mean_strength, card.config.strength_scale, card.user_damping, tensors["product_weight"]
        ),
        unobserved_pair_weight=card.unobserved_pair_weight,
        regularization=card.regularization,
        block_mib=card.config.block_mib,
        customer_coefficients=tensors["customer_coefficients"] if card.customer_features else None,
        customer_prior_products=card.config.customer_prior_products,
    )
    neighbors = Csr(tensors["graph_row_starts"], tensors["graph_columns"], tensors["graph_similarities"], card.products)
    return RankingModel(factors, ItemGraph(neighbors, card.graph_weight), card.repeat_weight)


def compute_card_checksum(card: str | bytes) -> str:
    """Return the checksum of a card in JSON, computed over all fields but `checksum`."""
    fields = json.loads(card)
    fields.pop("checksum", None)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _read_card(file: Path) -> ModelCard:
    try:
        text = file.read_bytes()
        card = ModelCard.model_validate_json(text)
    except FileNotFoundError:
        raise ModelError(f"{file} is missing: {file.parent} is no model artifact. Restore it or train again") from None
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}. Restore it or train again") from None
    except ValidationError as error:
        first_error = error.errors()[0]
        field = ".".join(str(part) for part in first_error["loc"]) or "the file"
        raise ModelError(
            f"{file} is not the card of a model that this version can read ({field}: {first_error['msg']}). Train again"
        ) from None
    if card.checksum != compute_card_checksum(text):
        raise ModelError(f"{file} does not match its own checksum: it was changed. Restore it or train again")
    return card


def _hash_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
