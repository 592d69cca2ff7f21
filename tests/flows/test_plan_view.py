"""What `still plan` prints."""

from flows.command.plan_view import lines
from flows.forecast import Fit, Forecast
from tasks.ask.plan import AskPlan, TeacherPlan
from tasks.ask.preflight import Preflight
from tasks.ask.spend import Ceiling

TEACHER = TeacherPlan("cheap", 400, 50_000, 160_000, 0.5, 1.6, 397.0, 20)
PLAN = AskPlan(
    plan_id="p", dataset="sums", prompts=500, repeated=2, wanted=500, reused=20, answered=80, given_up=0, shared=0,
    to_ask=400, maybe_paid=3, resampled=0, estimated_tokens=50_000, worst_tokens=160_000, estimated_usd=0.5,
    worst_usd=1.6, teachers=(TEACHER,), batches=(), license="MIT",
)  # fmt: skip
PROBE = Preflight("cheap", True, 8192, "m-1", "field", True, 13, 16)


def fit(name: str, room: Ceiling, about: int, surely: int) -> Fit:
    return Fit(name, room, 400, about, surely)


def test_each_budget_says_whether_it_suffices() -> None:
    fits = (
        fit("the budget of sums", Ceiling(tokens=9_000, usd=2.5), 72, 22),
        fit("the budget of account acme", Ceiling(requests=390), 390, 390),
        fit("the budget of account acme for 2026-11-21", Ceiling(usd=1.0), 400, 250),
        fit("the budget of account other", Ceiling(usd=9.0), 400, 400),
    )
    said = dict(lines(Forecast("sums", PLAN, 397.0, fits, (PROBE,))))
    assert said["prompts"] == "500 (2 repeated rows left out)"
    assert said["answered"] == "100 (20 reused)" and said["to ask"] == "400 (3 maybe paid before)"
    assert said["time"] == "about 6 min 37 s at the quota"
    assert said["budget of sums"] == "$2.50, 9,000 tokens left: about 72 of 400 samples, 22 for sure"
    assert said["account acme"] == "390 requests left: about 390 of 400 samples, 390 for sure"
    assert said["account acme, 2026-11-21"] == "$1.00 left: about enough; 250 of 400 samples for sure"
    assert said["account other"] == "$9.00 left: enough"
    assert said["cheap probe"] == "m-1; context 8,192 tokens; reasoning in a field; usage reported"


def test_what_is_unknown_is_said_so() -> None:
    unpriced = AskPlan(**{**vars(PLAN), "estimated_usd": None, "worst_usd": None})
    probe = Preflight("cheap", False, undecided="no probe: it does not fit what is left of a budget")
    said = dict(lines(Forecast("sums", unpriced, None, (), (probe,), target=300)))
    assert said["dollars"] == "unknown: a teacher has no price"
    assert said["time"] == "unknown: a teacher states no quota"
    assert said["target"] == "300 rows kept, in rounds; the first wants 500 samples"
    assert said["cheap probe"] == "no probe: it does not fit what is left of a budget"
