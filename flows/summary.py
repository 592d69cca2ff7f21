"""What a run came to: read back from the published warehouse, so that it says what anybody would find there."""

from dataclasses import asdict, dataclass

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


def summarise(
    root: DataRoot,
    dataset: str,
    run_id: str,
    published: Published,
    student: StudentDone | None,
    shortfall: str | None = None,
) -> Summary:
    """Read the funnel, the reasons and the spend of a dataset."""
    funnel, reasons = read_funnel(root, dataset)
    with connect(root) as warehouse:
        requests, tokens, usd = warehouse.execute(SPENT, [dataset]).fetchall()[0]
        asked = warehouse.execute(ASKED, [run_id]).fetchall()[0][0]
    return Summary(dataset, run_id, asked, funnel, reasons, requests, tokens, usd, published, student, shortfall)
