"""What a report says, as values: each is read by one query, and drawn or written by pure functions (pure)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.judge.screens.latest import Screened

STATUSES = ("failed", "maybe_paid", "not_asked", "unanswered", "unjudged")
"""Of samples without a verdict. `unanswered`: the plan is no longer the current one, so nobody knows which it was;
`unjudged`: answered since."""
OUTCOMES = ("kept", "rejected", "undecided", "quarantined")


@dataclass(frozen=True)
class Subject:
    """What a report is about: one judging, and the version that was made of it if there is one."""

    dataset: str
    judge_run: str
    plan_id: str
    rule_set: str
    judged_at: datetime
    rules: tuple[dict[str, Any], ...]
    """Every rule in order: `rule`, `version`, `rejects`, and its thresholds by name."""
    version: str | None = None
    published_at: datetime | None = None
    rows: int | None = None
    folder: str | None = None

    @property
    def name(self) -> str:
        return self.version or self.dataset

    def setting(self, rule: str, name: str) -> Any:
        """A threshold of a rule; None where the judging has no such rule or threshold."""
        return next((each.get(name) for each in self.rules if each["rule"] == rule), None)


@dataclass(frozen=True)
class Flow:
    """One teacher's samples: wanted = statuses + outcomes; kept = published + held back; counts are of samples."""

    teacher: str
    wanted: int
    statuses: dict[str, int]
    outcomes: dict[str, int]
    reasons: dict[str, int]
    """Of verdicts that are not `kept`, by the code of the first reason."""
    published: int

    @property
    def judged(self) -> int:
        return sum(self.outcomes.values())

    @property
    def answered(self) -> int:
        return self.judged + self.statuses.get("unjudged", 0)

    @property
    def held_back(self) -> int:
        """Kept and not in the version."""
        return self.outcomes.get("kept", 0) - self.published


@dataclass(frozen=True)
class TeacherFacts:
    """One teacher under one set of terms."""

    teacher: str
    model: str | None
    simulated: bool
    terms_id: str | None
    terms_sha256: str | None
    weights_license: str | None
    route_license: str | None
    outputs_trainable: str | None
    reviewed_by: str | None
    judged: int
    kept: int
    published: int
    unpriced: int
    """Judged answers whose price is unknown."""
    usd: float | None
    """Of the judged answers; None if one is unpriced."""

    @property
    def usd_per_kept(self) -> float | None:
        return None if self.usd is None or not self.kept else self.usd / self.kept


@dataclass(frozen=True)
class Bin:
    """`kept` and `lost` answers with low <= value < high (the last bin has its high too)."""

    low: float
    high: float
    kept: int
    lost: int


@dataclass(frozen=True)
class Histogram:
    """One measured quantity, cut into bins by the database."""

    measure: str
    is_log: bool
    bins: tuple[Bin, ...]
    medians: tuple[float | None, float | None]
    """Of kept and of lost answers."""


@dataclass(frozen=True)
class Share:
    """How many of `count` passed every rule that looks at one trace."""

    name: str
    count: int
    passed: int


@dataclass(frozen=True)
class Window:
    """Answers of a teacher that came one after another."""

    began: datetime
    ended: datetime
    count: int
    passed: int


@dataclass(frozen=True)
class Verified:
    """What a verifier said of answers: counts add up to `count`."""

    verifier: str
    count: int
    right: int
    wrong: int
    unchecked: int
    """Skipped, since another rule had rejected the trace, or not decidable, or without a check at all (`none`)."""


@dataclass(frozen=True)
class RuleCount:
    """What one rule came to: `found` at all, `first` as the reason of a verdict, `skipped` altogether."""

    rule: str
    found: dict[str, int]
    """Answers by reason code, whether or not that decided."""
    first: int
    skipped: int

    @property
    def noted(self) -> int:
        """Found, and not the reason of the verdict."""
        return sum(self.found.values()) - self.first


@dataclass(frozen=True)
class Cluster:
    """A trace that survived and how many lost to it."""

    trace_id: str
    losers: int
    exact: int
    question: str


@dataclass(frozen=True)
class Duplicates:
    """Counts by kind and effect; `similar` in steps of 0.01 of Jaccard, near duplicates only."""

    counts: tuple[tuple[str, int, int], ...]
    """Kind, how many lost by it, how many were only noted."""
    similar: tuple[Bin, ...]
    clusters: tuple[Cluster, ...]
    across_teachers: int


@dataclass(frozen=True)
class Hit:
    """An evaluation item and what matched it."""

    item: str
    reason: str
    outcome: str
    traces: int
    question_coverage: float | None
    trace_coverage: float | None
    trace_id: str
    question: str


@dataclass(frozen=True)
class Side:
    """A trace as the report shows it; a text is cut, and its full length in characters stands beside it."""

    trace_id: str
    teacher: str
    outcome: str
    reason: str | None
    details: str | None
    question: str
    question_length: int
    reasoning: str
    reasoning_length: int
    answer: str
    answer_length: int
    reference: str | None


@dataclass(frozen=True)
class Example:
    """A trace that was not kept, beside a kept one: of the same prompt, else of its family, else any."""

    lost: Side
    kept: Side | None


@dataclass(frozen=True)
class Facts:
    """Everything the page is made of."""

    subject: Subject
    teachers: tuple[TeacherFacts, ...]
    flows: tuple[Flow, ...]
    histograms: tuple[Histogram, ...]
    families: tuple[Share, ...]
    drift: dict[str, tuple[Window, ...]]
    verified: tuple[Verified, ...]
    rules: tuple[RuleCount, ...]
    duplicates: Duplicates
    hits: tuple[Hit, ...]
    hits_in_all: int
    screened: tuple[Screened, ...]
    """As the dataset's screens stand when the report is written."""
    examples: tuple[Example, ...]
