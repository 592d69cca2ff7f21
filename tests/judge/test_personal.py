"""Credentials and personal data: what is found, what is nobody's, and that a verdict never holds it."""

import json
import random
import string
import time

import pytest
from judge.written import trace

from tasks.judge.credentials import check_secrets
from tasks.judge.personal import check_personal
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_trace

POLICY = JudgePolicy()
_DRAWS = random.Random(11)
_ALNUM = string.ascii_letters + string.digits


def some(count: int, signs: str = _ALNUM) -> str:
    """Drawn here, so that no text of this project holds anything that looks like a secret."""
    return "".join(_DRAWS.choices(signs, k=count))


UPPER = string.ascii_uppercase + "234567"
SECRETS = [
    ("AWS key", "AKIA" + some(16, UPPER)),
    ("AWS key", f"aws_secret_access_key = '{some(40)}'"),
    ("GitHub token", "ghp_" + some(36)),
    ("GitHub token", f"github_pat_{some(22)}_{some(59)}"),
    ("GitLab token", "glpat-" + some(20)),
    ("Slack token", f"xoxb-{some(11, '123456789')}-{some(11, '123456789')}-{some(24)}"),
    ("Stripe key", "sk_live_" + some(24)),
    ("SendGrid key", f"SG.{some(22)}.{some(43)}"),
    ("npm token", "npm_" + some(36)),
    ("OpenAI key", f"sk-{some(20)}T3BlbkFJ{some(20)}"),
    ("Anthropic key", "sk-ant-api03-" + some(95)),
    ("Hugging Face token", "hf_" + some(34, string.ascii_letters)),
    ("Google API key", "AIza" + some(35)),
    ("JSON web token", f"eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOjk4NzEyMywiYSI6MX0.{some(43)}"),
    ("private key", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{some(64)}\n{some(64)}"),
    ("password in a URL", f"https://bob:{some(12)}@git.acme.io/repo"),
]


@pytest.mark.parametrize(("kind", "secret"), SECRETS, ids=[f"{kind} {n}" for n, (kind, _) in enumerate(SECRETS)])
def test_a_credential_is_found_in_answer_and_reasoning_and_named_by_kind(kind: str, secret: str) -> None:
    for place, given in (("answer", trace(f"Use {secret} here.")), ("reasoning", trace("7", reasoning=f"({secret})"))):
        found = check_secrets(given, POLICY)
        assert (found.outcome, found.reason, found.signal["kind"]) == ("reject", "secret", kind)
        assert place in found.details


@pytest.mark.parametrize(
    "text",
    ["sk-...", "YOUR_API_KEY", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "ghp_" + "x" * 36,
     "aws_secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'", "hf_" + "a" * 34, "npm_" + "x" * 36,
     "postgres://user:password@localhost:5432/db", f"https://me:{some(12)}@example.com/", f"ftp://me:{some(12)}@192.0.2.7/",
     "https://me:${TOKEN}@git.acme.io", "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
     "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc", "https://arxiv.org/abs/2503.19633", "10.1000/182.456.789.0123456789",
     "x" * 5000, "\\frac{12345678901234567890}{98765432109876543210}", "a83f0c2d" * 8],
)  # fmt: skip
def test_placeholders_documented_examples_and_hashes_are_no_credentials(text: str) -> None:
    assert check_secrets(trace(f"Use {text} here."), POLICY).outcome == "pass"


PERSONAL = [
    ("e-mail address", "anna.keller@posteo.de"),
    ("telephone number", "(212) 736-5000"),
    ("telephone number", "call 212-736-5000"),
    ("telephone number", "+49 89 90182012"),
    ("telephone number", "+12127365000"),
    ("IBAN", "DE44 5001 0517 5407 3249 31"),
    ("IBAN", "GB33BUKB20201555555555"),
    ("card number", "4539 1488 0343 6467"),
    ("card number", "visa 4539148803436467"),
    ("social security number", "SSN: 536-22-1234"),
]


@pytest.mark.parametrize(("kind", "text"), PERSONAL)
def test_an_address_or_number_of_a_person_is_put_aside(kind: str, text: str) -> None:
    found = check_personal(trace(f"It is {text}."), POLICY)
    assert (found.outcome, found.reason, found.signal["kind"]) == ("quarantine", "personal_data", kind)


@pytest.mark.parametrize(
    "text",
    ["joe.miller@example.org", "info@acme.com", "git@github.com:a/b", "@property", "https://bob:abcdef123@git.acme.io/",
     "A@B.mean(axis=0)",
     "x@W.dot(v)",
     "(212) 555-0134", "+44 20 7946 0958", "+1 800 275 2273", "212-736-5000", "300-25-1000 = -725", "078-05-1120",
     "4539 1488 0343 6468", "4539148803436467", "4242 4242 4242 4242", "DE89 3704 0044 0532 0130 00",
     "DE45 5001 0517 5407 3249 31", "3.14159265358979323846", "1234567890 + 9876543210", "12345678 +12127365000 = y",
     "f(212)736-5000", "2^{1000} = 10715086071862673209484250490600018105614048117055", "192.168.100.200",
     "1,000,000,000,000,000", "0000 0000 0000 0000", "978-3-16-148410-0"],
)  # fmt: skip
def test_examples_roles_and_mathematics_are_nobodys(text: str) -> None:
    assert check_personal(trace(f"It is {text}."), POLICY).outcome == "pass"


def test_what_the_question_holds_may_be_spoken_of() -> None:
    secret, mail = "ghp_" + some(36), "anna.keller@posteo.de"
    asked = trace(f"{secret} and {mail}", question=f"What are {secret} and {mail.upper()}?")
    assert check_secrets(asked, POLICY).outcome == check_personal(asked, POLICY).outcome == "pass"


def test_the_verdict_rejects_a_secret_and_puts_personal_data_aside_unless_annotated() -> None:
    leaking = trace("glpat-" + some(20) + " of anna.keller@posteo.de")
    row = judge_trace(leaking, POLICY)
    assert (row["outcome"], row["reason"], row["rule"]) == ("rejected", "secret", "secrets")
    aside = judge_trace(leaking, JudgePolicy(annotate=("secrets",)))
    assert (aside["outcome"], aside["reason"]) == ("quarantined", "personal_data")
    assert judge_trace(leaking, JudgePolicy(annotate=("secrets", "personal")))["outcome"] == "kept"


@pytest.mark.parametrize("text", [text for _, text in SECRETS + PERSONAL])
def test_a_verdict_never_holds_what_it_found(text: str) -> None:
    stored = json.dumps(judge_trace(trace(f"The sum is 7. It is {text} now."), POLICY))
    held = text.split()[-1].strip("'")
    assert held not in stored and json.dumps(held)[1:-1] not in stored


@pytest.mark.parametrize(
    "piece", ["a@b.", "1234 ", "+1 ", "12345678", "AKIA", "eyJ.", "https://a:", "-----BEGIN PRIVATE KEY-----\n",
              "DE44 5001 ", "(212) 736-5000 ", "Proc-Type: 4\n",
              "card 4539148803436468 ", "sk-ant-api03-" + "a" * 70 + " "]
)  # fmt: skip
def test_a_megabyte_of_beginnings_takes_no_time(piece: str) -> None:
    endless = trace(piece * (1_000_000 // len(piece)))
    began = time.process_time()
    check_secrets(endless, POLICY)
    check_personal(endless, POLICY)
    assert time.process_time() - began < 5.0
