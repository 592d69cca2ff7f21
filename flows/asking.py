"""The asking of one run: preflight, then every batch over Ray, with progress for people."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from uuid import uuid4

from flows.line import Line
from flows.recipe import Recipe
from flows.rounds import is_reached
from flows.screening import watch, without_paused
from flows.settings import secret
from tasks.ask.authority import Progress as Asked
from tasks.ask.batch import ask_all
from tasks.ask.batch_files import BatchFile
from tasks.ask.call import BatchDone, TeacherCall, check_calls, run_budget
from tasks.ask.exchange import Counters
from tasks.ask.measured import read_caps
from tasks.ask.outlook import Lane, project
from tasks.ask.plan import AskPlan
from tasks.ask.preflight import preflight
from tasks.ask.provider_batch import Patience, ask_by_batch, take_up_batches
from tasks.ask.spend import Ceiling
from tasks.ask.submissions import Submission, keys_out, leave_out, root_id, submissions, wanted_out, what_is_out
from tasks.ask.ways import part_ways
from tasks.right.gate import Admission
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot


async def ask_all_batches(line: Line, plan: AskPlan, admissions: Sequence[Admission]) -> tuple[BatchDone, ...]:
    """Ask for everything that the plan still wants; nothing is started when it wants nothing.

    Raises:
        BadInput: a key variable is not set, or a teacher does not pass its probe; nothing was asked.
        RunFailed: a teacher cannot go on; everything received is kept.
    """
    have, recipe = plan.reused + plan.answered, line.recipe
    plan = without_paused(line, plan)
    line.progress.say(
        stage="asking", wanted=plan.wanted, reused=plan.reused, answered=plan.answered, to_ask=plan.to_ask
    )
    if not plan.batches or is_reached(line):
        return ()
    calls = teacher_calls(line.recipe, line.root, line.run_id, admissions, [one.teacher for one in plan.teachers])
    ceiling = line.recipe.budget.ceiling
    check_calls(ceiling, calls.values())
    budget = run_budget(line.run_id, line.recipe.dataset, ceiling, calls.values())
    for asked in plan.teachers:
        call = calls[asked.teacher]
        await preflight(call, recipe.sampling, budget, line.now(), longest_prompt=asked.longest_prompt)
    teachers = {name: call.teacher for name, call in calls.items()}
    direct, by_batch = part_ways(plan.batches, recipe.ask_by, teachers, recipe.by_batch.first_direct, have)
    awaited = wanted_out(line.root, plan.batches)
    direct = leave_out(direct, keys_out(line.root))
    meter = _Meter(line, plan, calls)
    done: tuple[BatchDone, ...] = ()
    if direct:
        line.start_ray()
        caps = read_caps(line.root, teachers, recipe.sampling.max_tokens) if recipe.sampling.caps != "off" else None
        on_batch = await watch(line)
        done = await ask_all(line.root, direct, calls, ceiling, line.here.workers, line.now, meter.show, caps, on_batch)
    done += await _ask_by_batch(line, by_batch, awaited, calls | calls_out(line, admissions), ceiling)
    have += sum(batch.answered for batch in done)
    await line.progress.show(have, plan.wanted)
    if not have and (out := what_is_out(line.root)):
        raise RunFailed(out)
    return done


async def take_up(line: Line, admissions: Sequence[Admission]) -> None:
    """Commit what has ended of the batches that earlier runs left at providers, before anything is planned."""
    calls = calls_out(line, admissions)
    if calls:
        await take_up_batches(line.root, tuple(calls.values()), _patience(line), line.now, _say(line))


async def _ask_by_batch(
    line: Line,
    batches: Sequence[BatchFile],
    awaited: Set[Submission],
    calls: Mapping[str, TeacherCall],
    ceiling: Ceiling,
) -> tuple[BatchDone, ...]:
    """Submit what goes by batch, and wait for it and for what this run wants of what is out already."""
    names = {batch.teacher for batch in batches} | {out.header.teacher for out in awaited}
    mine = {name: call for name, call in calls.items() if name in names}
    if not mine:
        return ()
    id = root_id(line.root, uuid4().hex)
    done = await ask_by_batch(line.root, batches, mine, awaited, ceiling, _patience(line), id, line.now, _say(line))
    line.progress.say(stage="asking", note=None)
    return done


def _patience(line: Line) -> Patience:
    terms = line.recipe.by_batch
    return Patience(terms.poll_s, terms.wait_h * 3600.0)


def _say(line: Line) -> Callable[[str], Awaitable[None]]:
    async def say(step: str) -> None:
        line.progress.say(stage="asking", note=step)

    return say


def calls_out(line: Line, admissions: Sequence[Admission]) -> dict[str, TeacherCall]:
    """The calls of those admitted teachers that have batches out."""
    out = {submission.header.teacher for submission in submissions(line.root)}
    names = [each.teacher.name for each in admissions if each.teacher.name in out]
    return teacher_calls(line.recipe, line.root, line.run_id, admissions, names)


def teacher_calls(
    recipe: Recipe, root: DataRoot, run_id: str, admissions: Sequence[Admission], names: Iterable[str]
) -> dict[str, TeacherCall]:
    """What a worker needs to know of each teacher that is to be asked."""
    admitted = {admission.teacher.name: admission for admission in admissions}
    return {
        name: TeacherCall(
            teacher=admitted[name].teacher,
            decision_id=admitted[name].decision_id,
            run_id=run_id,
            dataset=recipe.dataset,
            root=root.path,
            api_key=secret(admitted[name].teacher.api_key_env, name),
        )
        for name in names
    }


class _Meter:
    """Turns the authorities' counters into what people watch: speed, spend, and where that leads."""

    def __init__(self, line: Line, plan: AskPlan, calls: Mapping[str, TeacherCall]) -> None:
        self._line, self._plan = line, plan
        self._priced = all(teacher.worst_usd is not None for teacher in plan.teachers)
        self._planned: dict[tuple[str, str], int] = {}
        for teacher in plan.teachers:
            pool = calls[teacher.teacher].account
            self._planned[pool] = self._planned.get(pool, 0) + teacher.requests
        self._began: float | None = None

    async def show(self, asked: Asked) -> None:
        counters, plan = asked.counters, self._plan
        seconds = self._seconds(counters.sent)
        tokens = counters.prompt_tokens + counters.completion_tokens
        lanes = [self._lane(pool, asked.pools.get(pool, Counters())) for pool in self._planned]
        outlook = project(lanes, asked.standings, seconds)
        self._line.progress.say(
            stage="asking",
            note=asked.stop.reason
            if asked.stop
            else f"paused {asked.held_s:.0f} s by the teacher"
            if asked.held_s > 1
            else None,
            sent=min(counters.sent, plan.to_ask),
            in_flight=counters.in_flight,
            answered=plan.answered + counters.answered,
            failed=counters.failed,
            maybe_paid=counters.maybe_paid,
            rate_limited=counters.rate_limited,
            tokens=tokens,
            tokens_per_s=tokens / seconds if seconds else None,
            usd=counters.usd if self._priced else None,
            eta_s=outlook.seconds_left,
            projected_tokens=outlook.tokens,
            projected_usd=outlook.usd,
            ends_first=outlook.ends_first,
            samples_left=outlook.samples_left,
        )
        await self._line.progress.show(plan.reused + plan.answered + counters.answered, plan.wanted)

    def _lane(self, pool: tuple[str, str], counters: Counters) -> Lane:
        asked = counters.answered + counters.failed + counters.maybe_paid
        return Lane(
            account=pool[0],
            planned=self._planned[pool],
            ended=asked + counters.not_asked,
            asked=asked,
            tokens=counters.prompt_tokens + counters.completion_tokens,
            usd=counters.usd if self._priced else None,
        )

    def _seconds(self, sent: int) -> float | None:
        """Seconds since the first request, by the run's own clock."""
        now = self._line.now().timestamp()
        if self._began is None and sent:
            self._began = now
        return max(now - self._began, 1e-3) if self._began is not None else None
