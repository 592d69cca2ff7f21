"""What there is to train on: a GPU if there is one, the CPU otherwise."""

import os


def describe_device() -> str:
    """One line for people: the GPU of this machine with its memory, or the CPU's cores."""
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return f"none found; students are trained on the CPU ({usable_cores()} cores)"


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
