"""reasoning-gym, also where its one compiled dependency is missing."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

NEEDS_SOLVER = frozenset({"zebra_puzzles"})
"""Generators that need pycosat, a SAT solver without wheels: the package imports it for all of its generators."""


def reasoning_gym() -> Any:
    """The package; it takes more than a second to import, so only those who need it ask for it."""
    stand_in_for_solver()
    return import_module("reasoning_gym")


def stand_in_for_solver() -> None:
    """Without pycosat, an empty module takes its place: no generator outside `NEEDS_SOLVER` ever calls it."""
    if "pycosat" not in sys.modules and find_spec("pycosat") is None:
        sys.modules["pycosat"] = ModuleType("pycosat")


def lacks_solver(task: str) -> bool:
    """Whether this generator cannot run here because pycosat is not installed."""
    return task in NEEDS_SOLVER and not hasattr(sys.modules.get("pycosat"), "itersolve")
