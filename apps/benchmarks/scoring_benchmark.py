"""The benchmark of top-N lists for all customers: RecoMart, the matrix product alone, and the `implicit` library."""

import os
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse
import torch
from implicit.cpu.als import AlternatingLeastSquares
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits
from torch import Tensor

from apps.benchmarks.fresh_process import run_in_fresh_process
from apps.benchmarks.measurement import get_machine_info
from apps.benchmarks.synthetic_graph import draw_item_graph
from apps.benchmarks.targets import Target
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.inference.scoring import rank_top_n
from orchestration.process_memory import get_peak_memory_mib

TURN_SIZE = 5_000
"""Customers per turn; the contenders take turns, so that other load on the machine affects all of them."""

SCORE_TOLERANCE = 1e-4
"""Relative difference up to which two scores are equal; the order of summation differs."""

RECOMART, MATRIX_PRODUCT, IMPLICIT = "recomart", "matrix product", "implicit"
RECOMART_WITH_NEIGHBORS = "recomart with neighbors"


class ScoringShop(BaseModel):
    """A shop of random factors, neighbors and histories."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int = Field(default=50_000, ge=1)
    products: int = Field(default=50_000, ge=1)
    factors: int = Field(default=128, ge=1)
    history_length: int = Field(default=20, ge=1)
    """Known products of each customer, which are not recommended."""

    n: int = Field(default=100, ge=1)
    """Length of the lists."""

    seed: int = 0

    def draw_product_factors(self) -> Tensor:
        """Return random product factors, products x factors."""
        return torch.randn((self.products, self.factors), generator=torch.Generator().manual_seed(self.seed))

    def iter_turns(self, customers: int) -> Iterator[tuple[Tensor, Csr]]:
        """Yield the customer factors and the known products of each turn, for `customers` customers in total."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        stride = self.products // self.history_length
        for start, stop in iter_row_blocks(customers, TURN_SIZE):
            rows = stop - start
            factors = torch.randn((rows, self.factors), generator=generator)
            offsets = torch.randint(stride, (rows, self.history_length), generator=generator)
            columns = (offsets + stride * torch.arange(self.history_length)).flatten().int()
            starts = torch.arange(0, len(columns) + 1, self.history_length, dtype=torch.int32)
            yield factors, Csr(starts, columns, torch.ones(len(columns)), self.products)


class ContenderSpeed(BaseModel):
    """Time of a contender for the lists of all customers."""

    model_config = ConfigDict(frozen=True)

    contender: str
    seconds: float
    customers_per_second: float
    relative_to_matrix_product: float


class ScoringBenchmarkResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: ScoringShop
    contenders: list[ContenderSpeed]
    same_product_share: float
    """Share of all ranks at which RecoMart and implicit have the same product; the others are ties of scores."""

    different_score_count: int
    """Ranks at which the two scores differ by more than the tolerance."""

    memory_mib: dict[int, int]
    """Number of customers -> largest resident memory of a process that writes their lists to a file."""

    targets: list[Target]

    @property
    def is_comparable(self) -> bool:
        """Whether RecoMart and implicit have equal scores."""
        return self.different_score_count == 0


def run_scoring_benchmark(
    shop: ScoringShop, on_stage: Callable[[str], None] = lambda _: None
) -> ScoringBenchmarkResult:
    """Measure memory for a quarter of the customers and for all of them, then time compared with the others.

    Raises:
        RecomartError: A process was killed.
    """
    machine = get_machine_info() | {name: version(name) for name in ("torch", "implicit")}
    memory: dict[int, int] = {}
    for customers in (-(-shop.customers // 4), shop.customers):
        on_stage(f"memory, {customers:,} customers")
        memory[customers] = run_in_fresh_process(_measure_memory, shop, customers)
    on_stage("speed")
    seconds, same_product_share, different_score_count = run_in_fresh_process(_measure_speed, shop)
    contenders = [
        ContenderSpeed(
            contender=name,
            seconds=contender_seconds,
            customers_per_second=shop.customers / contender_seconds,
            relative_to_matrix_product=contender_seconds / seconds[MATRIX_PRODUCT],
        )
        for name, contender_seconds in seconds.items()
    ]
    quarter, total = min(memory), max(memory)
    default_shop = ScoringShop()
    is_default_size = shop.customers >= default_shop.customers and shop.products >= default_shop.products
    evaluate = partial(Target.evaluate, is_default_size=is_default_size)
    return ScoringBenchmarkResult(
        machine=machine,
        shop=shop,
        contenders=contenders,
        same_product_share=same_product_share,
        different_score_count=different_score_count,
        memory_mib=memory,
        targets=[
            evaluate("seconds relative to implicit", seconds[RECOMART] / seconds[IMPLICIT], 1.0),
            evaluate("seconds relative to the matrix product", seconds[RECOMART] / seconds[MATRIX_PRODUCT], 1.7),
            evaluate(
                "seconds relative to the matrix product, with neighbors",
                seconds[RECOMART_WITH_NEIGHBORS] / seconds[MATRIX_PRODUCT],
                1.7,
            ),
            evaluate("memory for all customers, relative to a quarter", memory[total] / memory[quarter], 1.05),
        ],
    )


def _measure_memory(shop: ScoringShop, customers: int) -> int:
    """Write the lists of `customers` customers to a file, turn by turn; return the peak memory in MiB."""
    products, block_rows = shop.draw_product_factors(), TrainConfig().compute_block_rows(shop.products)
    graph = draw_item_graph(shop.products, shop.seed)
    schema = pa.schema({"product": pa.int64(), "score": pa.float32()})
    with (
        tempfile.TemporaryDirectory() as folder,
        pq.ParquetWriter(Path(folder) / "lists.parquet", schema) as file,
    ):
        for users, seen in shop.iter_turns(customers):
            positions, scores = rank_top_n(users, products, shop.n, seen, block_rows, graph)
            lists = [positions.flatten().numpy(), scores.flatten().numpy()]
            file.write_table(pa.table(lists, schema=schema))
    return get_peak_memory_mib()


def _measure_speed(shop: ScoringShop) -> tuple[dict[str, float], float, int]:
    """Return the seconds by contender, the share of ranks with equal products, and the count of different scores."""
    products, block_rows = shop.draw_product_factors(), TrainConfig().compute_block_rows(shop.products)
    graph = draw_item_graph(shop.products, shop.seed)
    buffer = torch.empty((min(block_rows, TURN_SIZE), shop.products))

    def multiply(users: Tensor) -> None:
        for start, stop in iter_row_blocks(len(users), block_rows):
            torch.mm(users[start:stop], products.T, out=buffer[: stop - start])

    with warnings.catch_warnings():
        # implicit warns about BLAS threads, which are limited to one while it ranks.
        warnings.simplefilter("ignore")
        implicit = AlternatingLeastSquares(factors=shop.factors, num_threads=os.cpu_count())
    implicit.item_factors = products.numpy()
    seconds: dict[str, float] = defaultdict(float)
    same_product_count = different_score_count = 0
    # The first turn is ranked twice; the first time warms up all contenders.
    for turn, (users, seen) in enumerate([next(shop.iter_turns(shop.customers)), *shop.iter_turns(shop.customers)]):
        rows = np.arange(len(users))
        implicit.user_factors = users.numpy()
        parts = (seen.values.numpy(), seen.columns.numpy(), seen.row_starts.numpy())
        matrix = scipy.sparse.csr_matrix(parts, shape=(len(users), shop.products))
        start = time.perf_counter()
        multiply(users)
        product_end = time.perf_counter()
        positions, scores = rank_top_n(users, products, shop.n, seen, block_rows)
        recomart_end = time.perf_counter()
        rank_top_n(users, products, shop.n, seen, block_rows, graph)
        neighbors_end = time.perf_counter()
        with threadpool_limits(1, "blas"):
            implicit_start = time.perf_counter()
            implicit_positions, implicit_scores = implicit.recommend(
                rows, matrix, N=shop.n, filter_already_liked_items=True
            )
            implicit_end = time.perf_counter()
        if turn == 0:
            continue
        seconds[MATRIX_PRODUCT] += product_end - start
        seconds[RECOMART] += recomart_end - product_end
        seconds[RECOMART_WITH_NEIGHBORS] += neighbors_end - recomart_end
        seconds[IMPLICIT] += implicit_end - implicit_start
        implicit_scores = torch.from_numpy(implicit_scores)
        same_product_count += int((positions == torch.from_numpy(implicit_positions)).sum())
        different_score_count += int(((scores - implicit_scores).abs() > SCORE_TOLERANCE * scores.abs()).sum())
    return dict(seconds), same_product_count / (shop.customers * shop.n), different_score_count
