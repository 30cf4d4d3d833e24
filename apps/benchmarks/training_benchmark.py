"""The benchmark of training: seconds of each epoch and peak memory on a synthetic shop of any size."""

import time
from importlib.metadata import version
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from apps.benchmarks.fresh_process import log_progress, run_in_fresh_process
from apps.benchmarks.measurement import get_machine_info
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
    """Number of drawn customer-product pairs; the few repeated pairs are dropped."""

    seed: int = 0

    def draw_interactions(self) -> Csr:
        """Return the interactions as a matrix of customers x products; each customer has at least one.

        The number of products per customer is log-normal. The share of the k-th most popular product falls with the
        square root of k; at the default size, one customer in ten has the most popular product.
        """
        rng = np.random.default_rng(self.seed)
        activity = rng.lognormal(sigma=1.0, size=self.customers)
        draw_counts = np.maximum(1, (activity * (self.interactions / activity.sum())).round().astype(np.int64))
        popularity_order = rng.permutation(self.products).astype(np.int32)
        columns, lengths = [], np.zeros(self.customers, dtype=np.int64)
        for start, stop in iter_row_blocks(self.customers, DRAW_BATCH_SIZE):
            rows = np.repeat(np.arange(stop - start), draw_counts[start:stop])
            popularity = (self.products * rng.random(len(rows)) ** 2).astype(np.int64)
            pairs = np.unique(rows * self.products + popularity_order[popularity])
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
    """Time and memory of training on one device."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    device: str
    interactions: int
    setup_seconds: float
    """Seconds for the confidences, the transposed matrix and the initial customer factors."""

    epoch_seconds: list[float]
    losses: list[float]
    """Loss after each epoch; 1 is the loss of zero factors."""

    peak_memory_mib: int
    """Largest resident memory of the process, including the draw of the interactions."""

    gpu_memory_mib: int | None
    """Largest allocation on the GPU."""


class TrainingBenchmarkResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True)

    machine: dict[str, str | int | float]
    shop: TrainingShop
    config: TrainConfig
    results: list[DeviceResult]
    targets: list[Target]


def run_training_benchmark(
    shop: TrainingShop, factors: int, epochs: int, device: Device | None
) -> TrainingBenchmarkResult:
    """Train on `device`, or by default on the CPU and on a GPU if there is one; progress goes to standard error.

    Raises:
        RecomartError: The process was killed.
        ModelError: The device does not exist.
    """
    machine = get_machine_info() | {"torch": version("torch")}
    config = TrainConfig(factors=factors, seed=shop.seed)
    devices: list[Device] = [device] if device else ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    device_results = [
        run_in_fresh_process(_train_on_device, shop, config.model_copy(update={"device": device}), epochs)
        for device in devices
    ]
    cpu_memory_mib = next((result.peak_memory_mib for result in device_results if result.device == "cpu"), None)
    gigabytes = None if cpu_memory_mib is None else cpu_memory_mib * 2**20 / 1e9
    is_default_size = shop.interactions >= TrainingShop().interactions
    target = Target.evaluate("memory on the CPU, GB", gigabytes, MAX_MEMORY_GB, is_default_size=is_default_size)
    return TrainingBenchmarkResult(machine=machine, shop=shop, config=config, results=device_results, targets=[target])


def _train_on_device(shop: TrainingShop, config: TrainConfig, epochs: int) -> DeviceResult:
    strength = shop.draw_interactions()
    log_progress(f"{len(strength.values):,} interactions drawn, {get_peak_memory_mib():,} MiB so far")
    start_seconds = time.perf_counter()
    trainer = AlsTrainer(strength, config)
    on_gpu = trainer.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    setup_seconds = time.perf_counter() - start_seconds
    log_progress(f"set up in {setup_seconds:.1f} s, {get_peak_memory_mib():,} MiB so far")
    reports: list[EpochReport] = []
    for _ in range(epochs):
        reports.append(trainer.train_epoch())
        report = reports[-1]
        log_progress(
            f"epoch {report.epoch}: {report.seconds:.1f} s, loss {report.loss:.4f}, "
            f"{get_peak_memory_mib():,} MiB so far"
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
