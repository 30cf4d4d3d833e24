"""The benchmark of top-N for all customers: ours, the bare matrix product, and the `implicit` library's batch."""

import os
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
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
from apps.benchmarks.pipeline_benchmark import get_machine_info
from apps.benchmarks.targets import Target
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.inference.scoring import rank_top_n
from orchestration.process_memory import get_peak_memory_mib

TURN_SIZE = 5_000
"""Customers that one contender ranks before the next one does: a machine that is busy for a while is so for all."""

SCORE_TOLERANCE = 1e-4
"""Relative difference up to which two scores, summed in another order, are the same."""

RECOMART, MATRIX_PRODUCT, IMPLICIT = "recomart", "bare matrix product", "implicit"


class ScoringShop(BaseModel):
    """Random factors, and products that every customer has seen."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int = Field(default=50_000, ge=1)
    products: int = Field(default=50_000, ge=1)
    factors: int = Field(default=128, ge=1)
    history_length: int = Field(default=20, ge=1)
    """Products of every customer that are left out."""

    n: int = Field(default=100, ge=1)
    """Length of the lists."""

    seed: int = 0

    def draw_product_factors(self) -> Tensor:
        """Return (products, factors)."""
        return torch.randn((self.products, self.factors), generator=torch.Generator().manual_seed(self.seed))

    def iter_turns(self, customers: int) -> Iterator[tuple[Tensor, Csr]]:
        """Yield the factors of so many customers, and what they have seen, for one turn after the other."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        stride = self.products // self.history_length
        for start, stop in iter_row_blocks(customers, TURN_SIZE):
            rows = stop - start
            factors = torch.randn((rows, self.factors), generator=generator)
            places = torch.randint(stride, (rows, self.history_length), generator=generator)
            columns = (places + stride * torch.arange(self.history_length)).flatten().int()
            starts = torch.arange(0, len(columns) + 1, self.history_length, dtype=torch.int32)
            yield factors, Csr(starts, columns, torch.ones(len(columns)), self.products)


class ContenderSpeed(BaseModel):
    """What the lists of all customers took."""

    model_config = ConfigDict(frozen=True)

    contender: str
    seconds: float
    customers_per_second: float
    times_matrix_product: float


class ScoringBenchmarkResult(BaseModel):
    """All that one run of the benchmark measured."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: ScoringShop
    contenders: list[ContenderSpeed]
    same_product_share: float
    """Share of all places at which ours and implicit have the same product; others are ties of rounded scores."""

    different_score_count: int
    """Places at which the two scores differ by more than rounding."""

    memory_mib: dict[int, int]
    """Customers -> largest resident memory of a process that writes their lists to a file."""

    targets: list[Target]

    @property
    def is_comparable(self) -> bool:
        """Whether ours and implicit found the same lists."""
        return self.different_score_count == 0


def run_scoring_benchmark(
    shop: ScoringShop, on_stage: Callable[[str], None] = lambda _: None
) -> ScoringBenchmarkResult:
    """Rank for a quarter of the customers and for all to measure memory, then beside the others to measure time.

    Raises:
        RecomartError: A process was killed.
    """
    machine = get_machine_info() | {name: version(name) for name in ("torch", "implicit")}
    memory: dict[int, int] = {}
    for customers in (-(-shop.customers // 4), shop.customers):
        on_stage(f"memory, {customers:,} customers")
        memory[customers] = run_in_fresh_process(_measure_memory, shop, customers)
    on_stage("side by side")
    seconds, same, other = run_in_fresh_process(_measure_speed, shop)
    contenders = [
        ContenderSpeed(
            contender=name,
            seconds=spent,
            customers_per_second=shop.customers / spent,
            times_matrix_product=spent / seconds[MATRIX_PRODUCT],
        )
        for name, spent in seconds.items()
    ]
    quarter, whole = min(memory), max(memory)
    return ScoringBenchmarkResult(
        machine=machine,
        shop=shop,
        contenders=contenders,
        same_product_share=same,
        different_score_count=other,
        memory_mib=memory,
        targets=[
            Target.evaluate("ours, times implicit", seconds[RECOMART] / seconds[IMPLICIT], 1.0),
            Target.evaluate("ours, times the bare matrix product", seconds[RECOMART] / seconds[MATRIX_PRODUCT], 1.7),
            Target.evaluate(
                "memory for all customers, times that for a quarter", memory[whole] / memory[quarter], 1.05
            ),
        ],
    )


def _measure_memory(shop: ScoringShop, customers: int) -> int:
    """Write the lists of so many customers to a file, turn by turn, and return the largest resident memory in MiB."""
    products, block_rows = shop.draw_product_factors(), TrainConfig().compute_block_rows(shop.products)
    schema = pa.schema({"product": pa.int64(), "score": pa.float32()})
    with (
        tempfile.TemporaryDirectory() as folder,
        pq.ParquetWriter(Path(folder) / "lists.parquet", schema) as file,
    ):
        for users, seen in shop.iter_turns(customers):
            positions, scores = rank_top_n(users, products, shop.n, seen, block_rows)
            lists = [positions.flatten().numpy(), scores.flatten().numpy()]
            file.write_table(pa.table(lists, schema=schema))
    return get_peak_memory_mib()


def _measure_speed(shop: ScoringShop) -> tuple[dict[str, float], float, int]:
    """Return everybody's seconds, the share of places with the same product, and the places with another score."""
    products, block_rows = shop.draw_product_factors(), TrainConfig().compute_block_rows(shop.products)
    buffer = torch.empty((min(block_rows, TURN_SIZE), shop.products))

    def multiply(users: Tensor) -> None:
        for start, stop in iter_row_blocks(len(users), block_rows):
            torch.mm(users[start:stop], products.T, out=buffer[: stop - start])

    with warnings.catch_warnings():
        # That its BLAS has threads of its own, which it has not while it is at work.
        warnings.simplefilter("ignore")
        implicit = AlternatingLeastSquares(factors=shop.factors, num_threads=os.cpu_count())
    implicit.item_factors = products.numpy()
    seconds: dict[str, float] = defaultdict(float)
    same = other = 0
    # The first turn warms everybody up and is ranked once more.
    for turn, (users, seen) in enumerate([next(shop.iter_turns(shop.customers)), *shop.iter_turns(shop.customers)]):
        rows = np.arange(len(users))
        implicit.user_factors = users.numpy()
        parts = (seen.values.numpy(), seen.columns.numpy(), seen.row_starts.numpy())
        matrix = scipy.sparse.csr_matrix(parts, shape=(len(users), shop.products))
        began = time.perf_counter()
        multiply(users)
        bare_done = time.perf_counter()
        positions, scores = rank_top_n(users, products, shop.n, seen, block_rows)
        ours_done = time.perf_counter()
        with threadpool_limits(1, "blas"):
            its_began = time.perf_counter()
            its_positions, its_scores = implicit.recommend(rows, matrix, N=shop.n, filter_already_liked_items=True)
            implicit_done = time.perf_counter()
        if turn == 0:
            continue
        seconds[MATRIX_PRODUCT] += bare_done - began
        seconds[RECOMART] += ours_done - bare_done
        seconds[IMPLICIT] += implicit_done - its_began
        its_scores = torch.from_numpy(its_scores)
        same += int((positions == torch.from_numpy(its_positions)).sum())
        other += int(((scores - its_scores).abs() > SCORE_TOLERANCE * scores.abs()).sum())
    return dict(seconds), same / (shop.customers * shop.n), other
