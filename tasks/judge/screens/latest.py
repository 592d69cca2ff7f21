"""What each screen said last of each teacher, for whoever reports it."""

from dataclasses import dataclass
from typing import Any

_LATEST = """
    select teacher, screen, window_number, verdict, statistic, n, p, threshold, power from screens where dataset = ?
    qualify row_number() over (
        partition by teacher, screen
        order by
            case verdict when 'too_few' then 2 when 'baseline' then 1 else 0 end, looked_at desc, window_number desc
    ) = 1
    order by teacher, screen
"""


@dataclass(frozen=True)
class Screened:
    """The latest look of one screen at one teacher; the columns of the view `screens`."""

    teacher: str
    screen: str
    window: int
    verdict: str
    statistic: str
    n: int
    p: float | None
    threshold: float
    power: str


def read_screened(connection: Any, dataset: str) -> tuple[Screened, ...]:
    """The latest look of each screen at each teacher of a dataset, one that could say something if there is one."""
    return tuple(Screened(*row) for row in connection.execute(_LATEST, [dataset]).fetchall())
