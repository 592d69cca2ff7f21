import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.judge.code_answer import check_code
from tasks.judge.isolation import CANDIDATES, Candidate, visible_files
from tasks.judge.sandbox import Limits, Sandbox

QUICK = Limits(cpu_s=1, wall_s=1.0, disk_bytes=8 * 2**20, file_bytes=2**20, memory_bytes=256 * 2**20)


@pytest.fixture(scope="module", params=CANDIDATES, ids=lambda candidate: candidate.name)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Each kind that holds on this machine."""
    one = Sandbox([request.param])
    first = one.run("", "")
    if first.end == "none":
        pytest.skip(first.said)
    yield one
    one.close()


@pytest.fixture(scope="module")
def any_sandbox() -> Iterator[Sandbox]:
    """The one that this machine would use."""
    one = Sandbox()
    first = one.run("", "")
    if first.end == "none":
        pytest.skip(first.said)
    yield one
    one.close()


def fenced(code: str) -> str:
    return f"Here it is:\n```python\n{code}\n```\n"


def metadata(given: Any) -> str:
    return json.dumps({"tests": given})


HOSTILE = {
    "a fork bomb": ("import os\nwhile True: os.fork()", {"error"}, "Operation not permitted"),
    "a fork bomb that does not give up": (
        "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
        {"cpu"},
        "",
    ),
    "a shell": ("import os\nos.execv('/bin/sh', ['sh'])", {"error"}, "Operation not permitted"),
    "a bomb of threads": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()",
        {"error"},
        "can't start new thread",
    ),
    "many files that fill the disk": (
        "import itertools\nfor n in itertools.count(): open(str(n), 'wb').write(bytes(500_000))",
        {"error", "disk"},
        "",
    ),
    "one file that fills the disk": (
        "f = open('f', 'wb')\nwhile True: f.write(bytes(500_000))",
        {"error"},
        "File too large",
    ),
    "many empty files": ("for n in range(10**6): open(str(n), 'w').close()", {"error", "disk", "cpu"}, ""),
    "memory that no limit of a process counts": (
        "import os\nos.memfd_create('x')",
        {"error"},
        "Operation not permitted",
    ),
    "a socket": ("import socket\nsocket.socket()", {"error"}, "Operation not permitted"),
    "a pair of sockets that sends elsewhere": (
        "import socket\nsocket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        {"error"},
        "Operation not permitted",
    ),
    "killing all": ("import os\nos.kill(-1, 9)", {"error"}, "PermissionError"),
    "killing its parent": ("import os\nos.kill(os.getppid(), 9)", {"error"}, "PermissionError"),
    "an endless loop": ("while True: pass", {"cpu"}, ""),
    "an endless loop that ignores signals": (
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        {"cpu"},
        "",
    ),
    "an endless wait": ("import time\ntime.sleep(1000)", {"asleep"}, ""),
    "a gigabyte": ("x = bytearray(10**9)", {"error"}, "MemoryError"),
    "a crash": ("import ctypes\nctypes.string_at(0)", {"killed"}, "signal 11"),
    "bottomless recursion": ("def f(): return f()\nf()", {"error"}, "RecursionError"),
    "a change of mode": ("import os\nos.chmod('/usr/lib', 0o777)", {"error"}, "PermissionError"),
    "an error that cannot be shown": (
        "class E(Exception):\n def __str__(self): raise self\nraise E",
        {"error"},
        "E",
    ),
    "leaving before the tests": ("import sys\nsys.exit(0)", {"left"}, "before its tests had passed"),
    "leaving in silence": ("import os\nos._exit(0)", {"left"}, "before its tests had passed"),
    "no Python": ("x = = 1", {"error"}, "SyntaxError"),
    "zeros": ("\x00\x00", {"error"}, ""),
    "half a character": ("x = '\ud800'", {"error"}, ""),
}


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_hostile_code_ends_with_a_reason_and_the_next_snippet_runs(sandbox: Sandbox, case: str) -> None:
    code, ends, said = HOSTILE[case]
    started = time.monotonic()
    ran = sandbox.run(code, "assert True", limits=QUICK)
    assert ran.end in ends, ran
    assert said in ran.said
    assert ran.sandbox == sandbox.name
    assert time.monotonic() - started < 15
    assert sandbox.run("x = 1", "assert x == 1").end == "finished"


def test_code_that_is_hostile_is_a_wrong_answer_with_a_detail(sandbox: Sandbox) -> None:
    for code, _, _ in (HOSTILE["a socket"], HOSTILE["an endless loop"], HOSTILE["an endless wait"]):
        check = check_code(fenced(code), metadata("assert True"), sandbox, QUICK)
        assert (check.score, check.code, check.sandbox) == (0, None, sandbox.name)
        assert check.details.endswith(f"({sandbox.name})")
        assert "\n" not in check.details


def test_a_snippet_sees_no_file_of_the_user_and_no_key(sandbox: Sandbox, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-secret")
    for path in (key, Path(__file__), Path("/etc/passwd"), Path("/proc/self/environ"), Path("/proc/1/environ")):
        ran = sandbox.run(f"open({str(path)!r}).read()", "")
        assert ran.end == "error"
        assert "No such file" in ran.said or "Permission denied" in ran.said
    ran = sandbox.run("import os\nprint(*sorted(os.environ))")
    assert set(ran.stdout.split()) <= {"LC_CTYPE", "PWD"}  # which Python and bubblewrap set by themselves


def test_a_snippet_sees_no_installed_package(sandbox: Sandbox) -> None:
    assert "ModuleNotFoundError" in sandbox.run("import numpy", "").said
    package = Path(pytest.__file__).parent
    assert sandbox.run(f"import os\nopen({str(package / '__init__.py')!r})", "").end == "error"


def test_nobody_can_be_reached_over_the_network(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        ran = sandbox.run(f"import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}/', timeout=1)", "")
        assert ran.end == "error"
        with pytest.raises(TimeoutError):
            server.accept()


LEAVES = {
    "a file": "open('left', 'w').write('hello')\nimport os\nos.symlink('left', 'link')",
    "a folder that nobody may enter": "import os\nos.mkdir('closed', 0)",
    "a folder in a folder, two thousand times": "import os\nfor _ in range(2000): os.mkdir('d'); os.chdir('d')",
    "a file in /tmp": "try: open('/tmp/left', 'w').write('hello')\nexcept PermissionError: pass",
}


@pytest.mark.parametrize("what", LEAVES, ids=str)
def test_nothing_that_a_snippet_writes_is_seen_by_the_next(sandbox: Sandbox, what: str) -> None:
    assert sandbox.run(LEAVES[what], "").end in ("finished", "disk")
    ran = sandbox.run("import os\nprint(os.listdir('.'), os.path.exists('/tmp/left'))")
    assert ran.stdout == "[] False\n", ran
    assert not Path("/tmp/left").exists()


def test_a_snippet_may_use_files_threads_and_the_standard_library(sandbox: Sandbox) -> None:
    code = """
import asyncio, concurrent.futures, dataclasses, pickle, random, sqlite3, tempfile, zoneinfo
@dataclasses.dataclass
class Point:
    x: int
with tempfile.TemporaryDirectory() as folder:
    open(folder + "/f", "w").write("3")
    assert open(folder + "/f").read() == "3"
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(abs, range(-9, 0))) == 45
async def main():
    await asyncio.sleep(0.01)
    return 7
value = asyncio.run(main())
again = pickle.loads(pickle.dumps(Point(2)))
"""
    assert sandbox.run(code, "assert value == 7 and again == Point(2)").said == ""


def test_a_program_reads_its_input_and_is_waited_for(sandbox: Sandbox) -> None:
    code = "import threading\ndef main(): print(sum(map(int, input().split())))\nthreading.Thread(target=main).start()"
    assert sandbox.run(code, stdin="1 2 3\n").stdout == "6\n"
    guarded = "import sys\nif __name__ == '__main__':\n    print('é', sys.stdin.read())\n    sys.exit()"
    assert sandbox.run(guarded, stdin="ü").stdout == "é ü\n"


def test_a_million_lines_of_output_are_read_up_to_a_limit(sandbox: Sandbox) -> None:
    ran = sandbox.run("for n in range(10**6): print(n)")
    assert (ran.end, len(ran.stdout), ran.printed) == ("finished", Limits().output_bytes, 6_888_890)
    loud = sandbox.run("while True: print('x' * 10_000)", limits=QUICK)
    assert loud.end == "error"
    assert "File too large" in loud.said
    assert sandbox.run("for n in range(10**6): print(n)", "assert n == 999_999").end == "finished"


def test_an_error_says_which_line_of_the_tests_did_not_hold(sandbox: Sandbox) -> None:
    ran = sandbox.run("def f(x):\n    return x + 1", "assert f(1) == 2\nassert f(2) == 4")
    assert ran.said == "AssertionError (line 2 of the tests: assert f(2) == 4)"
    assert "line 2 of the code" in sandbox.run("def f(x):\n    return x / 0", "f(1)").said


CASES = [{"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "5 5\n", "stdout": "10"}]


def test_programs_are_checked_by_what_they_print(any_sandbox: Sandbox) -> None:
    name = any_sandbox.name
    right = check_code(fenced("a, b = map(int, input().split())\nprint(a + b, ' ')"), metadata(CASES), any_sandbox)
    assert (right.score, right.details) == (1, f"passed 2 tests ({name})")
    wrong = check_code(fenced("input()\nprint(3)"), metadata(CASES), any_sandbox)
    assert (wrong.score, wrong.details) == (0, f"test 2: expected '10', got '3' ({name})")
    silent = check_code(fenced("pass"), metadata(CASES), any_sandbox)
    assert silent.details == f"test 1: expected '3', got nothing ({name})"


def test_expected_output_longer_than_the_cap_is_compared_whole(any_sandbox: Sandbox) -> None:
    cases = [{"stdout": "\n".join(map(str, range(100_000)))}]
    assert check_code(fenced("for n in range(100_000): print(n)"), metadata(cases), any_sandbox).score == 1
    assert check_code(fenced("for n in range(99_999): print(n)\nprint(0)"), metadata(cases), any_sandbox).score == 0


def test_several_threads_may_ask_one_sandbox(any_sandbox: Sandbox) -> None:
    ends: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: ends.append(any_sandbox.run(f"x = {n}", f"assert x == {n}").end))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["finished"] * 4


def test_a_killed_server_leaves_one_snippet_undecided_and_is_started_again(sandbox: Sandbox) -> None:
    assert sandbox._server is not None
    process = sandbox._server._process
    os.kill(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    assert process.stdout.read() == b""  # and all that it had started are gone too
    check = check_code(fenced("x = 1"), metadata("assert x == 1"), sandbox)
    assert (check.score, check.code) == (None, "sandbox_failed")
    assert check_code(fenced("x = 1"), metadata("assert x == 1"), sandbox).score == 1


def test_a_machine_that_gives_no_time_is_not_the_codes_fault(any_sandbox: Sandbox) -> None:
    busy = Limits(cpu_s=5, wall_s=0.1, wall_most_s=0.3)
    check = check_code(fenced("while True: pass"), metadata("assert True"), any_sandbox, busy)
    assert (check.score, check.code) == (None, "code_timeout")
    assert "too busy" in check.details


def test_without_a_sandbox_nothing_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    check = check_code(fenced(f"open({str(trace)!r}, 'w')"), metadata("assert True"), Sandbox([]))
    assert (check.score, check.code, check.sandbox) == (None, "no_sandbox", None)
    assert not trace.exists()


def test_what_cannot_start_or_shows_too_much_is_no_sandbox(tmp_path: Path) -> None:
    absent = Candidate("absent", lambda files: None, "bubblewrap")
    broken = Candidate("broken", lambda files: ["/bin/false"], "namespaces")
    shown = visible_files()
    open_to_all = Sandbox([absent, broken, CANDIDATES[2]], {**shown, "readable": ["/"], "masked": []})
    trace = tmp_path / "trace"
    check = check_code(fenced(f"open({str(trace)!r}, 'w')"), metadata("assert True"), open_to_all)
    assert (check.score, check.code) == (None, "no_sandbox")
    assert "absent: " in check.details
    assert "broken: " in check.details
    assert "landlock: " in check.details
    assert not trace.exists()


def test_nothing_stays_behind_when_a_sandbox_is_closed(any_sandbox: Sandbox) -> None:
    one = Sandbox(CANDIDATES)
    assert one.run("open('f', 'w').write('x')", "").end == "finished"
    assert one._server is not None
    scratch, process = Path(one._server._scratch), one._server._process
    one.close()
    assert not scratch.exists()
    assert process.returncode is not None
