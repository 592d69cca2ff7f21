"""How a recipe's samples reach their teachers (pure): one request at a time, or by the provider's batch API."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.ask.batch_files import BatchFile
from tasks.right.terms import Teacher
from warehouse.errors import BadInput

Way = Literal["direct", "batch", "tail"]


class ByBatch(BaseModel):
    """How long a run goes by batch, and when; only looked at unless `ask_by` is `direct`, or something is out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first_direct: int = Field(
        1000, ge=0, description="With ask_by: tail, samples of the dataset that are asked directly, before the rest."
    )
    poll_s: float = Field(60.0, ge=1, le=3600, description="Seconds between two looks at what is out.")
    wait_h: float = Field(
        24.0, ge=0, le=72, description="Hours to wait for batches; then the run goes on, and a later one takes them up."
    )


def part_ways(
    batches: Sequence[BatchFile], way: Way, teachers: Mapping[str, Teacher], first_direct: int, answered: int
) -> tuple[tuple[BatchFile, ...], tuple[BatchFile, ...]]:
    """Which batch files are asked directly, and which by their teacher's batch API.

    Args:
        teachers: by name; those of the files.
        first_direct: with `tail`, samples asked directly first; whole files are, so it may be a few more.
        answered: samples of the dataset that have an answer already.

    Raises:
        BadInput: batches are wanted and no teacher has a batch API.
    """
    able = {name for name, teacher in teachers.items() if teacher.batch is not None}
    if way == "direct" or not batches:
        return tuple(batches), ()
    if not able:
        raise BadInput(
            f"ask_by is '{way}', and {_named(teachers)} has no batch API in the registry: add `batch: {{}}` to the"
            " entry if there is one, or write ask_by: direct"
        )
    direct: list[BatchFile] = []
    by_batch: list[BatchFile] = []
    ahead = answered
    for batch in batches:
        first = way == "tail" and ahead < first_direct
        (direct if first or batch.teacher not in able else by_batch).append(batch)
        ahead += batch.rows
    return tuple(direct), tuple(by_batch)


def _named(teachers: Iterable[str]) -> str:
    names = [f"teacher '{name}'" for name in sorted(teachers)]
    return names[0] if len(names) == 1 else "none of " + ", ".join(names)
