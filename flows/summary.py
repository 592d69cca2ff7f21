"""What a run came to: read back from the published warehouse, so that it says what anybody would find there."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tasks.judge.screens.latest import Screened, read_screened
from tasks.judge.screens.look import Firing
from tasks.publish.publication import Published
from tasks.train.student import StudentDone
from warehouse.catalog import connect
from warehouse.layout import DataRoot

FUNNEL = "select * exclude (dataset, plan_id, judge_run) from funnel where dataset = ?"
REASONS = """
    select coalesce(reason, outcome) as reason, count(*) as traces from verdicts
    where dataset = ? and is_current and outcome <> 'kept' group by all order by traces desc, reason
"""
ASKED = "select count(distinct request_key) from attempts where run_id = ? and batch_id is distinct from 'preflight'"
SPENT = """
    select coalesce(sum(requests), 0) as requests, coalesce(sum(prompt_tokens + completion_tokens), 0) as tokens,
        case when sum(unpriced) > 0 then null else coalesce(sum(usd), 0) end as usd
    from spend where dataset = ?
"""
LENGTHS = """
    select teacher, resampled, shift, mean_tokens, p50_tokens, p90_tokens, p99_tokens,
        first_mean_tokens, first_p50_tokens, first_p90_tokens, first_p99_tokens
    from lengths where dataset = ? and resampled > 0 order by teacher
"""


@dataclass(frozen=True)
class Drawn:
    """How long a teacher's answers are, with those that were drawn again because a cap cut them off."""

    teacher: str
    resampled: int
    """Answers that are such fresh draws."""
    shift: float | None
    """Of the mean length, by asking again; the true fall is at least that. None: no usage was reported."""
    mean: float | None
    quantiles: tuple[float | None, ...]
    """50, 90 and 99 %."""
    first_mean: float | None
    """With the first draws in place of the later ones, as far as they went."""
    first_quantiles: tuple[float | None, ...]


@dataclass(frozen=True)
class Summary:
    """One run's outcome: the funnel with its reasons, the version, and the student if one was trained."""

    dataset: str
    run_id: str
    asked: int
    """Samples this run asked for; 0 when everything wanted was there."""
    funnel: dict[str, int]
    reasons: dict[str, int]
    requests: int
    """Attempts ever made for the dataset, like tokens and usd."""
    tokens: int
    usd: float | None
    published: Published
    student: StudentDone | None
    shortfall: str | None = None
    """Why the version holds fewer rows than the recipe's target; None if there is no target, or it is reached."""
    drawn_again: tuple[Drawn, ...] = ()
    """The teachers of which some answers were drawn again, with what that did to their lengths."""
    paused: tuple[str, ...] = ()
    """What stands against teachers: a line for each screen that has fired and is not acknowledged."""
    screened: tuple[Screened, ...] = ()
    """What each screen said last of each teacher."""

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def read_funnel(root: DataRoot, dataset: str) -> tuple[dict[str, int], dict[str, int]]:
    """The dataset's current funnel, and how many traces each reason held back."""
    with connect(root) as warehouse:
        found = warehouse.execute(FUNNEL, [dataset])
        names = [column[0] for column in found.description or ()]
        counts = (found.fetchall() or [()])[0]
        reasons = dict(warehouse.execute(REASONS, [dataset]).fetchall())
    return dict(zip(names, counts, strict=False)), reasons


def read_drawn_again(root: DataRoot, dataset: str) -> tuple[Drawn, ...]:
    """What drawing again has done to the lengths of a dataset's answers, by teacher."""
    with connect(root) as warehouse:
        rows = warehouse.execute(LENGTHS, [dataset]).fetchall()
    return tuple(
        Drawn(teacher, resampled, shift, mean, tuple(quantiles[:3]), quantiles[3], tuple(quantiles[4:]))
        for teacher, resampled, shift, mean, *quantiles in rows
    )


def summarise(
    root: DataRoot,
    dataset: str,
    run_id: str,
    published: Published,
    student: StudentDone | None,
    shortfall: str | None = None,
    firings: Sequence[Firing] = (),
) -> Summary:
    """Read the funnel, the reasons and the spend of a dataset."""
    funnel, reasons = read_funnel(root, dataset)
    with connect(root) as warehouse:
        requests, tokens, usd = warehouse.execute(SPENT, [dataset]).fetchall()[0]
        asked = warehouse.execute(ASKED, [run_id]).fetchall()[0][0]
        screened = read_screened(warehouse, dataset)
    drawn = read_drawn_again(root, dataset)
    paused = tuple(firing.line for firing in firings)
    return Summary(
        dataset,
        run_id,
        asked,
        funnel,
        reasons,
        requests,
        tokens,
        usd,
        published,
        student,
        shortfall,
        drawn,
        paused,
        screened,
    )
