"""What a run took from the machine."""

import resource
import sys


def get_peak_memory_mib() -> int:
    """Largest resident memory so far of this process or of any finished child, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // unit
