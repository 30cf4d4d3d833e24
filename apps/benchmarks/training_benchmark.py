"""The benchmark of training: a made-up shop of any size, seconds of each epoch, and the peak memory."""

import sys
import time
from importlib.metadata import version
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from apps.benchmarks.fresh_process import run_in_fresh_process
from apps.benchmarks.pipeline_benchmark import get_machine_info
from apps.benchmarks.targets import Target
from models_ml.als.trainer import AlsTrainer, EpochReport
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr, iter_row_blocks
from orchestration.process_memory import get_peak_memory_mib

Device = Literal["cpu", "cuda"]

DRAW_BATCH_SIZE = 50_000
"""Customers whose interactions are drawn at once."""

MAX_MEMORY_GB = 8.0


class TrainingShop(BaseModel):
    """A shop of random interactions with a long tail of customers and of products."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int = Field(default=1_000_000, ge=1)
    products: int = Field(default=200_000, ge=1)
    interactions: int = Field(default=50_000_000, ge=1)
    """Draws of a customer and a product; the few that were drawn before are left out."""

    seed: int = 0

    def draw_interactions(self) -> Csr:
        """Return the interactions, customers x products, every customer with one at least.

        The numbers of products of customers are log-normal; the k-th most popular product has a share of all
        interactions that falls with the square root of k: on the full shop, the first is with one customer in ten.
        """
        rng = np.random.default_rng(self.seed)
        activity = rng.lognormal(sigma=1.0, size=self.customers)
        drawn = np.maximum(1, (activity * (self.interactions / activity.sum())).round().astype(np.int64))
        by_popularity = rng.permutation(self.products).astype(np.int32)
        columns, lengths = [], np.zeros(self.customers, dtype=np.int64)
        for start, stop in iter_row_blocks(self.customers, DRAW_BATCH_SIZE):
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
            column_count=self.products,
        )


class DeviceResult(BaseModel):
    """What training took on one device."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    device: str
    interactions: int
    setup_seconds: float
    """Confidences, the transposed matrix, and the first customers' factors."""

    epoch_seconds: list[float]
    losses: list[float]
    """Of every epoch; 1 for factors that are all zero."""

    peak_memory_mib: int
    """Largest resident memory of the process, drawing the interactions included."""

    gpu_memory_mib: int | None
    """Largest allocation on the GPU."""


class TrainingBenchmarkResult(BaseModel):
    """All that one run of the benchmark measured."""

    model_config = ConfigDict(frozen=True)

    machine: dict[str, str | int | float]
    shop: TrainingShop
    config: TrainConfig
    results: list[DeviceResult]
    targets: list[Target]


def run_training_benchmark(
    shop: TrainingShop, factors: int, epochs: int, device: Device | None
) -> TrainingBenchmarkResult:
    """Train on the CPU, and on a GPU when there is one, or on `device` alone; progress goes to standard error.

    Raises:
        RecomartError: The process was killed.
        ModelError: There is no such device.
    """
    machine = get_machine_info() | {"torch": version("torch")}
    config = TrainConfig(factors=factors, seed=shop.seed)
    devices: list[Device] = [device] if device else ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    figures = [
        run_in_fresh_process(_train_on_device, shop, config.model_copy(update={"device": device}), epochs)
        for device in devices
    ]
    on_cpu = next((found.peak_memory_mib for found in figures if found.device == "cpu"), None)
    gigabytes = None if on_cpu is None else on_cpu * 2**20 / 1e9
    target = Target.evaluate("memory on the CPU, GB", gigabytes, MAX_MEMORY_GB)
    return TrainingBenchmarkResult(machine=machine, shop=shop, config=config, results=figures, targets=[target])


def _train_on_device(shop: TrainingShop, config: TrainConfig, epochs: int) -> DeviceResult:
    strength = shop.draw_interactions()
    _log_progress(f"{len(strength.values):,} interactions drawn, {get_peak_memory_mib():,} MiB so far")
    started = time.perf_counter()
    trainer = AlsTrainer(strength, config)
    on_gpu = trainer.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    setup_seconds = time.perf_counter() - started
    _log_progress(f"set up in {setup_seconds:.1f} s, {get_peak_memory_mib():,} MiB so far")
    reports: list[EpochReport] = []
    for _ in range(epochs):
        reports.append(trainer.train_epoch())
        report = reports[-1]
        _log_progress(
            f"epoch {report.epoch}: {report.seconds:.1f} s, loss {report.loss:.4f}, {get_peak_memory_mib():,} MiB so far"
        )
    return DeviceResult(
        device=trainer.device.type,
        interactions=len(strength.values),
        setup_seconds=setup_seconds,
        epoch_seconds=[report.seconds for report in reports],
        losses=[report.loss for report in reports],
        peak_memory_mib=get_peak_memory_mib(),
        gpu_memory_mib=torch.cuda.max_memory_allocated() >> 20 if on_gpu else None,
    )


def _log_progress(message: str) -> None:
    sys.stderr.write(message + "\n")
