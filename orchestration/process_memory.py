"""Peak memory of a run's processes."""

import resource
import sys


def get_peak_memory_mib() -> int:
    """Return the largest resident memory so far of this process or of any finished child process, in MiB."""
    units_per_mib = 2**20 if sys.platform == "darwin" else 2**10
    targets = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(target).ru_maxrss for target in targets) // units_per_mib
