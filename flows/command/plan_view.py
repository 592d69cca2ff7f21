"""`still plan`, as it is printed: a name and a value a line, at 80 columns."""

from collections.abc import Iterator

from flows.command.view import duration
from flows.forecast import Fit, Forecast
from tasks.ask.plan import TeacherPlan
from tasks.ask.preflight import Preflight
from tasks.ask.spend import Ceiling


def lines(forecast: Forecast) -> Iterator[tuple[str, str]]:
    """Name and value."""
    plan = forecast.plan
    repeated = f" ({plan.repeated:,} repeated rows left out)" if plan.repeated else ""
    yield "prompts", f"{plan.prompts:,}{repeated}"
    if forecast.target is None:
        yield "wanted", f"{plan.wanted:,} samples"
    else:
        yield "target", f"{forecast.target:,} rows kept, in rounds; the first wants {plan.wanted:,} samples"
    yield "answered", f"{plan.answered + plan.reused:,}" + (f" ({plan.reused:,} reused)" if plan.reused else "")
    yield "to ask", f"{plan.to_ask:,}" + (f" ({plan.maybe_paid:,} maybe paid before)" if plan.maybe_paid else "")
    if plan.to_ask:
        yield "tokens", f"about {plan.estimated_tokens:,}, at most {plan.worst_tokens:,}"
        yield "dollars", _dollars(plan.estimated_usd, plan.worst_usd)
        yield "time", _time(forecast.seconds)
    for fit in forecast.fits:
        yield fit.name.removeprefix("the "), _fits(fit)
    for teacher in plan.teachers:
        yield teacher.teacher, _teacher(teacher)
    for probe in forecast.probes:
        yield f"{probe.teacher} probe", _probe(probe)


def _dollars(estimated: float | None, worst: float | None) -> str:
    if estimated is None or worst is None:
        return "unknown: a teacher has no price"
    return f"about ${estimated:,.2f}, at most ${worst:,.2f}"


def _time(seconds: float | None) -> str:
    return "unknown: a teacher states no quota" if seconds is None else f"about {duration(seconds)} at the quota"


def _fits(fit: Fit) -> str:
    left = f"{_room(fit.room)} left: "
    if fit.surely >= fit.samples:
        return left + "enough"
    if fit.about >= fit.samples:
        return left + f"about enough; {fit.surely:,} of {fit.samples:,} samples for sure"
    return left + f"about {fit.about:,} of {fit.samples:,} samples, {fit.surely:,} for sure"


def _room(room: Ceiling) -> str:
    usd = [] if room.usd is None else [f"${room.usd:,.2f}"]
    counts = ((room.tokens, "tokens"), (room.requests, "requests"))
    return ", ".join(usd + [f"{count:,} {name}" for count, name in counts if count is not None])


def _teacher(teacher: TeacherPlan) -> str:
    time = (
        "no quota is stated" if teacher.estimated_s is None else f"about {duration(teacher.estimated_s)} at its quota"
    )
    return f"{teacher.requests:,} samples, {time}"


def _probe(probe: Preflight) -> str:
    if not probe.asked:
        return probe.undecided or "none: nothing is wanted of it"
    facts = {
        name: value for name, value in vars(probe).items() if name not in ("teacher", "asked") and value is not None
    }
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
