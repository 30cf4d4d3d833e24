"""User-facing programs: command line, merchandiser app, HTTP service, data profile and benchmarks."""

import os

# The setting of orchestration/__init__.py, for processes that import torch without that package. Idle threads must not
# spin: where cores are shared, small factorizations took 15 times as long (20 ms against 1.2 ms for a 256 x 256
# inverse). OpenMP reads the variable once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
