"""Counting tokens: offline, an estimate that is near, a bound that holds."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tasks.ask.tokens import bound_prompt_tokens, count_tokens, estimate_prompt_tokens

OFFLINE = """
import socket, sys
def refused(*args, **kwargs): raise SystemExit("the network was used")
socket.socket.connect = refused
socket.getaddrinfo = refused
from tasks.ask.tokens import count_tokens
print(count_tokens("Natalia sold clips to 48 of her friends"))
"""


def test_counting_opens_no_connection_not_even_with_a_cold_cache(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        capture_output=True,
        text=True,
        env={"TIKTOKEN_CACHE_DIR": str(tmp_path), "PATH": ""},
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == ("11", "")


def test_text_that_spells_a_special_token_is_plain_text() -> None:
    assert count_tokens("<|endoftext|>") > 1


def test_an_estimate_counts_each_message_and_its_frame() -> None:
    question = {"role": "user", "content": "What is 2+2?"}
    once, twice = estimate_prompt_tokens([question]), estimate_prompt_tokens([question, question])
    assert once == 3 + 4 + count_tokens("What is 2+2?")
    assert twice - once == 4 + count_tokens("What is 2+2?")


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_the_bound_is_never_below_the_estimate(contents: list[str]) -> None:
    messages = [{"role": "user", "content": content} for content in contents]
    assert bound_prompt_tokens(messages) >= estimate_prompt_tokens(messages)


def test_a_million_blanks_are_counted() -> None:
    assert 0 < count_tokens(" " * 1_000_000) < 1_000_000
