"""The pipeline's steps, the runs of training, scoring and tuning, and the Dagster assets over them."""

import os

# Torch's threads must not spin while they wait: on shared cores, small factorizations took 15 times as long (20 ms
# against 1.2 ms for a 256 x 256 inverse). OpenMP reads this variable once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
