"""Where things are on this machine: the one module that reads, or sets, the environment.

Everything below the flows gets what it needs as an argument. `quiet_dependencies` runs before prefect, ray and the
training libraries are imported, because each of them reads its switches at import.
"""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from tasks.right.registry import shipped_teachers
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

DATA, TEACHERS, RAY, WORKERS = (
    "STILLHOUSE_DATA",
    "STILLHOUSE_TEACHERS",
    "STILLHOUSE_RAY_ADDRESS",
    "STILLHOUSE_WORKERS",
)

# No dependency reports anything about its use, and none prints progress of its own over ours.
QUIET = {
    "DO_NOT_TRACK": "1",  # Prefect's client, and whoever else honours it
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # over 20 s were seen on a busy two-core machine
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # Ray's default, 15, starves asking and training wherever anything else runs
    "RAY_idle_worker_killing_time_threshold_ms": "60000",  # by default 1 s ends one between two batches: 1.1 s of CPU
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Settings:
    """What the environment says, read once; an empty variable counts as none."""

    root: DataRoot
    teacher_folders: tuple[Path, ...]
    """The shipped registry first, then the user's own."""
    ray_address: str | None
    """A running Ray cluster; None starts one on this machine for the run."""
    workers: int
    """The most batches that are ever submitted at once."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        own = environment.get(TEACHERS)
        workers = environment.get(WORKERS) or "2"
        if not workers.isdigit() or int(workers) < 1:
            raise BadInput(f"{WORKERS} is '{workers}': set it to a whole number of batches, 1 or more")
        return cls(
            root=DataRoot(Path(environment.get(DATA) or "data").absolute()),
            teacher_folders=(shipped_teachers(), *([Path(own).absolute()] if own else [])),
            ray_address=environment.get(RAY) or None,
            workers=int(workers),
        )


def tells_lineage_elsewhere(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user has set up the OpenLineage client: by its variables, or by an `openlineage.yml` it finds."""
    named = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE_DISABLED")
    if any(environment.get(name) for name in named) or any(name.startswith("OPENLINEAGE__") for name in environment):
        return True
    return any((folder / "openlineage.yml").is_file() for folder in (Path.cwd(), Path.home() / ".openlineage"))


def choose(data: Path | None, teachers: Path | None, environment: MutableMapping[str, str] = os.environ) -> Settings:
    """Settings with a command's options laid over the environment, which keeps them for child processes."""
    if data is not None:
        environment[DATA] = str(data.absolute())
    if teachers is not None:
        if not teachers.is_dir():
            raise BadInput(
                f"--teachers {teachers}: there is no such folder; make it, or name the one with your entries"
            )
        environment[TEACHERS] = str(teachers.absolute())
    return Settings.from_environment(environment)


def quiet_dependencies(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch off telemetry and stray output, where the user has not said otherwise."""
    for name, value in QUIET.items():
        environment.setdefault(name, value)
    if not environment.get(RAY):
        # A Ray of our own asks for its token; said here, because a driver that connects to it would not look for one.
        environment.setdefault("RAY_AUTH_MODE", "token")


def secret(name: str | None, teacher: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The key that a registry entry names; None for a teacher that needs none.

    Raises:
        BadInput: the entry names a variable that is not set, or is empty.
    """
    if name is None:
        return None
    if not environment.get(name):
        raise BadInput(f"teacher '{teacher}' needs its key in the variable {name}, which is not set: export {name}=...")
    return environment[name]
