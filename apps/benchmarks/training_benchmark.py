"""The benchmark of training: a made-up shop of any size, seconds of each sweep, and the peak memory."""

import sys
import time
from importlib.metadata import version
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from apps.benchmarks.fresh_process import in_fresh_process
from apps.benchmarks.pipeline_benchmark import machine_facts
from apps.benchmarks.targets import Target
from models_ml.als.trainer import AlsTrainer, SweepReport
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr, row_blocks
from orchestration.process_memory import peak_memory_mib

Device = Literal["cpu", "cuda"]

DRAWN_TOGETHER = 50_000
"""Customers whose interactions are drawn at once."""

MEMORY_LIMIT_GB = 8.0


class TrainedShop(BaseModel):
    """A shop of random interactions with a long tail of customers and of products."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int = Field(default=1_000_000, ge=1)
    products: int = Field(default=200_000, ge=1)
    interactions: int = Field(default=50_000_000, ge=1)
    """Draws of a customer and a product; the few that were drawn before are left out."""

    seed: int = 0

    def strength(self) -> Csr:
        """Return the interactions, customers x products, every customer with one at least.

        The numbers of products of customers are log-normal; the k-th most popular product has a share of all
        interactions that falls with the square root of k: on the full shop, the first is with one customer in ten.
        """
        rng = np.random.default_rng(self.seed)
        activity = rng.lognormal(sigma=1.0, size=self.customers)
        drawn = np.maximum(1, (activity * (self.interactions / activity.sum())).round().astype(np.int64))
        by_popularity = rng.permutation(self.products).astype(np.int32)
        columns, lengths = [], np.zeros(self.customers, dtype=np.int64)
        for start, stop in row_blocks(self.customers, DRAWN_TOGETHER):
            rows = np.repeat(np.arange(stop - start), drawn[start:stop])
            popularity = (self.products * rng.random(len(rows)) ** 2).astype(np.int64)
            pairs = np.unique(rows * self.products + by_popularity[popularity])
            lengths[start:stop] = np.bincount(pairs // self.products, minlength=stop - start)
            columns.append((pairs % self.products).astype(np.int32))
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        values = rng.standard_gamma(2, size=starts[-1], dtype=np.float32)
        return Csr(
            row_starts=torch.from_numpy(starts),
            columns=torch.from_numpy(np.concatenate(columns)),
            values=torch.from_numpy(values),
            n_columns=self.products,
        )


class TrainFigures(BaseModel):
    """What training took on one device."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    device: str
    interactions: int
    setup_seconds: float
    """Confidences, the transposed matrix, and the first customers' factors."""

    sweep_seconds: list[float]
    loss: list[float]
    """Of every sweep; 1 for factors that are all zero."""

    peak_memory_mib: int
    """Largest resident memory of the process, drawing the interactions included."""

    gpu_memory_mib: int | None
    """Largest allocation on the GPU."""


class TrainBench(BaseModel):
    """All that one run of the benchmark measured."""

    model_config = ConfigDict(frozen=True)

    machine: dict[str, str | int | float]
    shop: TrainedShop
    config: TrainConfig
    figures: list[TrainFigures]
    targets: list[Target]


def bench_training(shop: TrainedShop, factors: int, sweeps: int, device: Device | None) -> TrainBench:
    """Train on the CPU, and on a GPU when there is one, or on `device` alone; progress goes to standard error.

    Raises:
        RecomartError: The process was killed.
        ModelError: There is no such device.
    """
    machine = machine_facts() | {"torch": version("torch")}
    config = TrainConfig(factors=factors, seed=shop.seed)
    devices: list[Device] = [device] if device else ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    figures = [
        in_fresh_process(_train, shop, config.model_copy(update={"device": device}), sweeps) for device in devices
    ]
    on_cpu = next((found.peak_memory_mib for found in figures if found.device == "cpu"), None)
    gigabytes = None if on_cpu is None else on_cpu * 2**20 / 1e9
    target = Target.of("memory on the CPU, GB", gigabytes, MEMORY_LIMIT_GB)
    return TrainBench(machine=machine, shop=shop, config=config, figures=figures, targets=[target])


def _train(shop: TrainedShop, config: TrainConfig, sweeps: int) -> TrainFigures:
    strength = shop.strength()
    _say(f"{len(strength.values):,} interactions drawn, {peak_memory_mib():,} MiB so far")
    started = time.perf_counter()
    trainer = AlsTrainer(strength, config)
    on_gpu = trainer.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    setup_seconds = time.perf_counter() - started
    _say(f"set up in {setup_seconds:.1f} s, {peak_memory_mib():,} MiB so far")
    reports: list[SweepReport] = []
    for _ in range(sweeps):
        reports.append(trainer.sweep())
        report = reports[-1]
        _say(f"sweep {report.sweep}: {report.seconds:.1f} s, loss {report.loss:.4f}, {peak_memory_mib():,} MiB so far")
    return TrainFigures(
        device=trainer.device.type,
        interactions=len(strength.values),
        setup_seconds=setup_seconds,
        sweep_seconds=[report.seconds for report in reports],
        loss=[report.loss for report in reports],
        peak_memory_mib=peak_memory_mib(),
        gpu_memory_mib=torch.cuda.max_memory_allocated() >> 20 if on_gpu else None,
    )


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")
