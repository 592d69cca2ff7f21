"""Check an answer's code against its prompt's tests, in the sandbox."""

from dataclasses import replace

from tasks.judge.check import Check
from tasks.judge.sandbox import Limits, Ran, Sandbox
from tasks.judge.snippet import MOST_CHARACTERS, Case, TestsUnusable, code_in, same_output, stated_tests

TOTAL_CPU_S = 30.0
"""For all tests of one answer together."""


def check_code(answer: str, metadata: str | None, sandbox: Sandbox, limits: Limits | None = None) -> Check:
    """1 where every test passes, else 0 with the first that does not; undecided where the tests cannot be read, no
    sandbox holds, the sandbox fails, or the machine is too busy to say that the code is slow."""
    try:
        tests = stated_tests(metadata)
    except TestsUnusable as error:
        return Check(None, f"the verifier code cannot use this prompt: {error}", "reference_unusable")
    code = code_in(answer)
    if code is None:
        return Check(0.0, "expected code, found none in the answer")
    if len(code) > MOST_CHARACTERS:
        return Check(0.0, f"its code has {len(code)} characters, at most {MOST_CHARACTERS} are run")
    limits = limits or Limits()
    if isinstance(tests, str):
        ran = sandbox.run(code, tests=tests, limits=limits)
        return _fault(ran, limits) or Check(1.0, f"passed its tests ({ran.sandbox})", sandbox=ran.sandbox)
    return _cases(code, tests, sandbox, limits)


def _cases(code: str, cases: tuple[Case, ...], sandbox: Sandbox, limits: Limits) -> Check:
    used, ran = 0.0, Ran("none")
    for number, case in enumerate(cases, start=1):
        ran = sandbox.run(code, stdin=case.stdin, limits=_room(limits, case))
        used += ran.cpu_s
        wrong = _fault(ran, limits) or _difference(ran, case)
        if wrong is not None:
            return wrong if wrong.score is None else replace(wrong, details=f"test {number}: {wrong.details}")
        if used > TOTAL_CPU_S:
            details = f"test {number}: it took more than {TOTAL_CPU_S:g} s of CPU time so far ({ran.sandbox})"
            return Check(0.0, details, sandbox=ran.sandbox)
    return Check(1.0, f"passed {len(cases)} tests ({ran.sandbox})", sandbox=ran.sandbox)


def _room(limits: Limits, case: Case) -> Limits:
    """Enough to read all of what is expected."""
    return replace(limits, output_bytes=min(limits.file_bytes, limits.output_bytes + 4 * len(case.stdout)))


def _fault(ran: Ran, limits: Limits) -> Check | None:
    """What the code, or the machine, did wrong; None where it ran to its end."""
    if ran.end == "finished":
        return None
    if ran.end in ("none", "failed"):
        return Check(None, ran.said, "no_sandbox" if ran.end == "none" else "sandbox_failed", sandbox=ran.sandbox)
    if ran.end == "starved":
        details = f"it had {ran.cpu_s:.1f} s of CPU time in {limits.wall_most_s:g} s: this machine is too busy"
        return Check(None, f"{details} ({ran.sandbox})", "code_timeout", sandbox=ran.sandbox)
    why = {
        "cpu": f"it took more than {limits.cpu_s} s of CPU time",
        "asleep": f"it waited for {limits.wall_s:g} s and computed nothing",
        "disk": f"it wrote more than {limits.disk_bytes // 2**20} MiB or too many files",
    }
    return Check(0.0, f"{why.get(ran.end, ran.said)} ({ran.sandbox})", sandbox=ran.sandbox)


def _difference(ran: Ran, case: Case) -> Check | None:
    if same_output(ran.stdout, case.stdout):
        return None
    got = _short(ran.stdout) if ran.stdout.strip() else "nothing"
    return Check(0.0, f"expected {_short(case.stdout)}, got {got} ({ran.sandbox})", sandbox=ran.sandbox)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else line[:57] + "...")
