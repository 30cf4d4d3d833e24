"""Artifacts on disk: a folder of tensors (safetensors), ids (Parquet) and a card (JSON); nothing is unpickled."""

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.atomic_folders import create_folder_atomically
from models_ml.errors import ModelError

CARD_FILE, TENSORS_FILE, USERS_FILE, PRODUCTS_FILE = (
    "card.json",
    "tensors.safetensors",
    "users.parquet",
    "products.parquet",
)


class ModelCard(BaseModel):
    """What a model is, in words and numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal["recomart-recommender"] = "recomart-recommender"
    """Tells our artifacts from others."""
    format_version: Literal[3] = 3
    """Version of the folder's layout."""
    run_id: str
    """The training run."""
    trained_at: datetime
    """When it was trained, UTC."""
    dataset_hash: str
    """The version of the training rows."""
    as_of: datetime
    """The instant that the training rows end at, UTC."""
    config: TrainConfig
    """Settings of the run."""
    epochs: int
    """Passes that the validation window picked; a model that started from another had the config's `warm_epochs`."""
    trend_power: float
    """How far scores follow the products' trends."""
    warm_from: str | None = None
    """The run whose product factors training started from."""
    users: int
    """Known customers."""
    products: int
    """Known products."""
    trained_products: int
    """Those with customers in the training rows; the others have the factors that their content tells."""
    interactions: int
    """Training pairs."""
    mean_strength: float
    """Mean strength of the training pairs."""
    unobserved_pair_weight: float
    """Weight of every pair's pull to zero."""
    regularization: float
    """Penalty on squared factors per unit of a row's total confidence, observed and unobserved."""
    metrics: list[dict[str, str | int | float]] = []
    """The run's rows of ml.ranking_metrics about all known customers and products."""
    versions: dict[str, str] = {}
    """Versions of Python and of the libraries that trained it."""
    files: dict[str, str] = {}
    """sha256 of each of the folder's other files."""
    checksum: str = ""
    """sha256 of all of the card's other fields: settings of inference stand here, and nobody may change them unseen."""


def get_library_versions() -> dict[str, str]:
    """Return the versions that a card names."""
    libraries = ("torch", "numpy", "pyarrow", "safetensors")
    return {"python": platform.python_version(), **{library: version(library) for library in libraries}}


def write_artifact(
    path: Path, card: ModelCard, users: pa.Array, products: pa.Array, tensors: Mapping[str, Tensor]
) -> None:
    """Write the folder `path`, whole or not at all; ModelError when it exists already."""
    if path.exists():
        raise ModelError(f"{path} exists already; an artifact is never overwritten, save under another run id")
    with create_folder_atomically(path) as unfinished:
        save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, unfinished / TENSORS_FILE)
        for name, column, ids in ((USERS_FILE, "user_id", users), (PRODUCTS_FILE, "product_id", products)):
            pq.write_table(pa.table({column: ids}), unfinished / name, compression="zstd")
        files = {name: _hash_file(unfinished / name) for name in (TENSORS_FILE, USERS_FILE, PRODUCTS_FILE)}
        unsigned = card.model_copy(update={"versions": get_library_versions(), "files": files})
        complete = unsigned.model_copy(update={"checksum": compute_card_checksum(unsigned.model_dump_json())})
        (unfinished / CARD_FILE).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_artifact(path: Path) -> tuple[ModelCard, pa.Array, pa.Array, dict[str, Tensor]]:
    """Return the card, customer ids, product ids and tensors of the folder `path`.

    Raises ModelError, naming the file, when one is missing, is not what the card's checksum says, or cannot be read.
    """
    card = _read_card(path / CARD_FILE)
    for name in (TENSORS_FILE, USERS_FILE, PRODUCTS_FILE):
        file = path / name
        if not file.is_file():
            raise ModelError(f"{file} is missing; the artifact is incomplete, train anew or restore it")
        if _hash_file(file) != card.files.get(name):
            raise ModelError(f"{file} does not match the checksum in {CARD_FILE}; the artifact is damaged or mixed up")
    try:
        # Copied out of the mapped file, whose alignment would change the last bits of what is computed.
        tensors = {name: tensor.clone() for name, tensor in load_file(path / TENSORS_FILE).items()}
        users, products = (
            pq.read_table(path / name).column(0).combine_chunks().cast(pa.large_string())
            for name in (USERS_FILE, PRODUCTS_FILE)
        )
    except (SafetensorError, pa.ArrowException, OSError) as error:
        raise ModelError(f"the artifact {path} cannot be read: {error}") from error
    factors = (card.products, card.config.factors)
    expected = {
        "product_factors": factors,
        "eigenvalues": factors[1:],
        "product_weight": factors[:1],
        "trends": factors[:1],
        "row_starts": (card.users + 1,),
        "columns": (card.interactions,),
        "strengths": (card.interactions,),
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != expected or (len(users), len(products)) != (card.users, card.products):
        raise ModelError(
            f"{path / CARD_FILE} does not describe the files beside it; the artifact is damaged or mixed up"
        )
    return card, users, products, tensors


def compute_card_checksum(card: str | bytes) -> str:
    """Return the checksum that belongs to a card, given as JSON."""
    fields = json.loads(card)
    fields.pop("checksum", None)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _read_card(file: Path) -> ModelCard:
    try:
        text = file.read_bytes()
        card = ModelCard.model_validate_json(text)
    except FileNotFoundError:
        raise ModelError(f"{file} is missing; {file.parent} is no model artifact") from None
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ModelError(
            f"{file} is not the card of a model that this version can read ({where}: {problem['msg']}); train anew"
        ) from None
    if card.checksum != compute_card_checksum(text):
        raise ModelError(f"{file} does not match its own checksum: it was changed; restore it or train anew")
    return card


def _hash_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
