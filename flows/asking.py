"""The asking of one run: preflight, then every batch over Ray, with progress for people."""

from collections.abc import Sequence

from flows.line import Line
from flows.settings import secret
from tasks.ask.authority import Progress as Asked
from tasks.ask.batch import ask_all
from tasks.ask.call import BatchDone, TeacherCall
from tasks.ask.plan import AskPlan
from tasks.ask.preflight import preflight
from tasks.ask.spend import Ceiling
from tasks.right.gate import Admission


async def ask_all_batches(line: Line, plan: AskPlan, admissions: Sequence[Admission]) -> tuple[BatchDone, ...]:
    """Ask for everything that the plan still wants; nothing is started when it wants nothing.

    Raises:
        BadInput: a key variable is not set, or a teacher does not pass its probe; nothing was asked.
        RunFailed: a teacher cannot go on; everything received is kept.
    """
    have = plan.reused + plan.answered
    line.progress.say(
        stage="asking", wanted=plan.wanted, reused=plan.reused, answered=plan.answered, to_ask=plan.to_ask
    )
    if not plan.batches:
        return ()
    calls = teacher_calls(line, plan, admissions)
    for asked in plan.teachers:
        call = calls[asked.teacher]
        await preflight(call.teacher, call.api_key, line.recipe.sampling, True, asked.longest_prompt)
    budget = line.recipe.budget
    ceiling = Ceiling(budget.requests, budget.tokens, budget.usd)
    meter = _Meter(line, plan)
    line.start_ray()
    done = await ask_all(line.root, plan.batches, calls, ceiling, line.here.workers, line.now, meter.show)
    await line.progress.show(have + sum(batch.answered for batch in done), plan.wanted)
    return done


def teacher_calls(line: Line, plan: AskPlan, admissions: Sequence[Admission]) -> dict[str, TeacherCall]:
    """What a worker needs to know of each teacher that is to be asked."""
    admitted = {admission.teacher.name: admission for admission in admissions}
    return {
        asked.teacher: TeacherCall(
            teacher=admitted[asked.teacher].teacher,
            decision_id=admitted[asked.teacher].decision_id,
            run_id=line.run_id,
            dataset=line.recipe.dataset,
            root=line.root.path,
            api_key=secret(admitted[asked.teacher].teacher.api_key_env, asked.teacher),
        )
        for asked in plan.teachers
    }


class _Meter:
    """Turns the authorities' counters into what people watch: speed, spend, time left."""

    def __init__(self, line: Line, plan: AskPlan) -> None:
        self._line, self._plan = line, plan
        self._began: float | None = None

    async def show(self, asked: Asked) -> None:
        counters, plan = asked.counters, self._plan
        seconds = self._seconds(counters.sent)
        ended = counters.answered + counters.failed + counters.maybe_paid + counters.not_asked
        tokens = counters.prompt_tokens + counters.completion_tokens
        priced = all(teacher.worst_usd is not None for teacher in plan.teachers)
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
            usd=counters.usd if priced else None,
            eta_s=seconds * (plan.to_ask - ended) / ended if ended and seconds else None,
        )
        await self._line.progress.show(plan.reused + plan.answered + counters.answered, plan.wanted)

    def _seconds(self, sent: int) -> float | None:
        """Seconds since the first request, by the run's own clock."""
        now = self._line.now().timestamp()
        if self._began is None and sent:
            self._began = now
        return max(now - self._began, 1e-3) if self._began is not None else None
