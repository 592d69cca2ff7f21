"""Cut rows into files of lines that a provider takes as batches, while their worst cases fit under the budget."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from tasks.ask.batch_lines import request_line
from tasks.ask.call import TeacherCall
from tasks.ask.rows import worst_of
from tasks.ask.spend import Amount, Ceiling
from warehouse.errors import RunFailed
from warehouse.parts import unwritable


@dataclass
class Cut:
    """One file of lines that was written."""

    intents: list[dict[str, Any]] = field(default_factory=list)
    """What the journal says of each line, less its time."""
    attempts: list[tuple[str, int]] = field(default_factory=list)
    """Request key, and how often it was asked for before."""
    sha256: str = ""
    size: int = 0
    worst: Amount = Amount()


class LinesCutter:
    """Writes one file after the other; rows that no longer fit under a ceiling are counted and left alone.

    `used`: every ceiling that applies, with what counts under it already.
    """

    def __init__(
        self,
        rows: Iterator[dict[str, Any]],
        call: TeacherCall,
        used: Sequence[tuple[Ceiling, Amount]],
        attempts: Mapping[str, int],
    ) -> None:
        assert call.teacher.batch is not None, "only a teacher with a batch API is asked by batch"
        self.over_budget = 0
        self._rows, self._call, self._terms = rows, call, call.teacher.batch
        self._used, self._reserved, self._attempts = used, Amount(), attempts

    def write(self, path: Path) -> Cut | None:
        """Write the next file; None when nothing is left that fits.

        Raises:
            RunFailed: the disk is full.
        """
        cut, digest = Cut(), hashlib.sha256()
        try:
            with path.open("wb") as file:
                for line in self._fitting(cut):
                    file.write(line)
                    digest.update(line)
        except OSError as error:
            raise RunFailed(unwritable(path, error)) from error
        cut.sha256 = digest.hexdigest()
        self._reserved += cut.worst
        return cut if cut.intents else None

    def _fitting(self, cut: Cut) -> Iterator[bytes]:
        for row in self._rows:
            line = request_line(row["request_key"], self._terms.endpoint, row["body"])
            is_full = len(cut.intents) == self._terms.max_requests or cut.size + len(line) > self._terms.max_bytes
            if cut.intents and is_full:
                self._rows = chain([row], self._rows)
                return
            worst = worst_of(row["prompt_tokens_bound"], row["max_tokens"], self._call.rates)
            if not self._fits(cut.worst + worst):
                self.over_budget += 1 + sum(1 for _ in self._rows)
                return
            cut.worst += worst
            cut.size += len(line)
            cut.intents.append(self._intent(row, len(cut.intents) + 1, worst))
            cut.attempts.append((row["request_key"], row["attempt"] + self._attempts.get(row["request_key"], 0)))
            yield line

    def _fits(self, worst: Amount) -> bool:
        return all(ceiling.leaves(spent + self._reserved, worst) for ceiling, spent in self._used)

    def _intent(self, row: Mapping[str, Any], number: int, worst: Amount) -> dict[str, Any]:
        return {
            "n": number,
            "request_key": row["request_key"],
            "prompt_id": row["prompt_id"],
            "sample_index": row["sample_index"],
            "max_tokens": row["max_tokens"],
            "worst_tokens": worst.tokens,
            "worst_cost_usd": worst.usd if self._call.rates else None,
            "most_tokens": row["most_tokens"] or row["max_tokens"],
            "prompt_class": row["prompt_class"],
            "resampled": bool(row["resampled"]),
            "prefix": orjson.loads(row["prefix"]) if row["prefix"] else None,
        }
