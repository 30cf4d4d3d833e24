"""When and in what order: the pipeline's steps, the Dagster assets over them, and the `recomart` command."""

import os

# Torch's threads must not spin while they wait: where cores are shared, small factorizations took 15 times as long
# (20 ms against 1.2 ms for a 256 x 256 inverse). OpenMP reads this once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
