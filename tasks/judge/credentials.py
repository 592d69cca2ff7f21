"""The rule `secrets`: keys, tokens and passwords that a trace must not carry into a student (pure).

What each kind looks like is detect-secrets' knowledge (Apache-2.0, offline: its own check of a secret against its
provider is never called); what it does not know has a pattern here. Its patterns are slow, so they only see a trace in
which a long word holds the fixed letters that such a secret starts with.

What this does not find: secrets without fixed letters (random passwords, the halves of key pairs, Twilio, Telegram,
Discord), and any shorter than 20 characters that stand in no URL.
"""

import functools
import hashlib
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.judge.finding import Finding, Trace, passed, rejected
from tasks.judge.policy import JudgePolicy

_SHORTEST = 20
"""Characters of the shortest secret that has fixed letters, an AWS access key id."""
_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/=.:@"
_ONLY_SIGNS = bytes(value if value in _SIGNS else 32 for value in range(256))
"""Signs of which secrets are made; anything else ends one."""


@dataclass(frozen=True)
class Kind:
    """One kind of secret: its name, letters without which it cannot occur, and how it is found in a text."""

    name: str
    marks: tuple[str, ...]
    found: Callable[[str], Iterator[str]]
    run: int = _SHORTEST
    """Signs in a row that it has at least."""
    is_apart: bool = False
    """Whether the letters stand before the secret, in words of their own."""


def _known(module: str, detector: str) -> Callable[[str], Iterator[str]]:
    """What the patterns of a detector of detect-secrets match; loaded when first needed, as it imports an HTTP library.

    Its own `analyze_string` gives of some patterns only the first letters.
    """

    @functools.cache
    def plugin() -> Any:
        return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), detector)

    def found(text: str) -> Iterator[str]:
        is_valid = getattr(plugin(), "is_formally_valid", bool)
        for pattern in plugin().denylist:
            yield from (match[0] for match in pattern.finditer(text) if is_valid(match[0]))

    return found


def _own(pattern: str) -> Callable[[str], Iterator[str]]:
    compiled = re.compile(pattern)
    return lambda text: (match[0] for match in compiled.finditer(text))


_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<>]{0,64}:([^\s/@'\"<>]{4,128})@([\w.-]{1,253})")
_NOWHERE = re.compile(
    r"^(?:localhost|host(?:name)?|db|server|127\.\d+\.\d+\.\d+|(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+)$"
    r"|(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost|local)$",
    re.IGNORECASE,
)
"""Hosts that are nobody's: RFC 2606, RFC 6761, RFC 6762, and the addresses of RFC 5737."""
_NO_PASSWORD = re.compile(r"pass(?:word|wd)?\d*|secret|token|port|[*.x]+|[$<{\[%].*|\d{2,5}", re.IGNORECASE)


def _in_url(text: str) -> Iterator[str]:
    for match in _URL.finditer(text):
        if not _NOWHERE.search(match[2]) and not _NO_PASSWORD.fullmatch(match[1]):
            yield match[0]


KINDS = (
    Kind("AWS key", ("AKIA", "ASIA", "ABIA", "ACCA"), _known("aws", "AWSKeyDetector")),
    Kind("AWS key", ("aws", "AWS", "Aws"), _known("aws", "AWSKeyDetector"), run=40, is_apart=True),
    Kind("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _known("github_token", "GitHubTokenDetector")),
    Kind("GitHub token", ("github_pat_",), _own(r"github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}")),
    Kind("GitLab token", ("glpat-", "gldt-", "glrt-", "glptt-"), _known("gitlab_token", "GitLabTokenDetector")),
    Kind("Slack token", ("xox", "hooks.slack.com"), _known("slack", "SlackDetector")),
    Kind("Stripe key", ("sk_live_", "rk_live_"), _known("stripe", "StripeDetector")),
    Kind("SendGrid key", ("SG.",), _known("sendgrid", "SendGridDetector")),
    Kind("Square key", ("sq0csp-",), _known("square_oauth", "SquareOAuthDetector")),
    Kind("Mailchimp key", ("-us",), _known("mailchimp", "MailchimpDetector")),
    Kind("Azure storage key", ("AccountKey=",), _known("azure_storage_key", "AzureStorageKeyDetector")),
    Kind("PyPI token", ("pypi-Ag",), _known("pypi_token", "PypiTokenDetector")),
    Kind("npm token", ("npm_",), _own(r"(?<!\w)npm_[0-9A-Za-z]{36}(?!\w)")),
    Kind("OpenAI key", ("T3BlbkFJ",), _own(r"(?<!\w)sk-[\w-]{0,80}[0-9A-Za-z]{20}T3BlbkFJ[\w-]{20,80}")),
    Kind("Anthropic key", ("sk-ant-",), _own(r"(?<!\w)sk-ant-(?:api|admin|oat|sid)\d\d-[\w-]{80,120}")),
    Kind("OpenRouter key", ("sk-or-v1-",), _own(r"(?<!\w)sk-or-v1-[0-9a-f]{64}(?!\w)")),
    Kind("Hugging Face token", ("hf_",), _own(r"(?<!\w)hf_[A-Za-z]{34}(?!\w)")),
    Kind("Google API key", ("AIza",), _own(r"(?<!\w)AIza[\w-]{35}(?![\w-])")),
    Kind("JSON web token", ("eyJ",), _known("jwt", "JwtTokenDetector")),
    Kind(
        "private key",
        ("PRIVATE KEY",),
        _own(r"-----BEGIN (?:[A-Z0-9]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----\s{1,4}"
             r"(?:[\w:,-]{1,80}[ \t:]?[^\n]{0,80}\n){0,4}?\s{0,4}[0-9A-Za-z+/]{40,}"),
        run=40,
        is_apart=True,
    ),
    Kind("password in a URL", ("://",), _in_url),
)  # fmt: skip
_PLACEHOLDER = re.compile(
    r"example|sample|placeholder|your|dummy|redacted|changeme|x{4}|0{6}|\.{3}|\*{3}|01234|12345|abcde|deadbeef"
    r"|eyJzdWIiOiIxMjM0NTY3ODkw",  # the payload of the web token that everybody shows
    re.IGNORECASE,
)
_FEWEST = 8


def is_placeholder(secret: str) -> bool:
    """Whether it stands for a secret: documented examples say so in words, and a real one's last 16 characters are
    more than 7 different ones."""
    return bool(_PLACEHOLDER.search(secret)) or len(set(secret[-16:])) < _FEWEST


def secrets(text: str) -> Iterator[tuple[Kind, str]]:
    """Every secret of a text, placeholders left out."""
    runs = text.encode("utf-8", "replace").translate(_ONLY_SIGNS).split()
    long = [run for run in runs if len(run) >= _SHORTEST]
    if not long:
        return
    joined, longest = b"\n".join(long).decode(), max(map(len, long))
    for kind in KINDS:
        if longest >= kind.run and any(mark in (text if kind.is_apart else joined) for mark in kind.marks):
            yield from ((kind, secret) for secret in kind.found(text) if not is_placeholder(secret))


def check_secrets(trace: Trace, policy: JudgePolicy) -> Finding:
    """No credential but what the question itself holds. Of what is found, the verdict keeps the kind, the place and a
    hash, so that it is not stored a second time."""
    question = trace.question.casefold()
    for part, text in (("answer", trace.answer), ("reasoning", trace.reasoning)):
        for kind, secret in secrets(text):
            if secret.casefold() not in question:
                at = text.find(secret)
                return rejected(
                    "secret",
                    f"{kind.name} at character {at} of the {part}",
                    kind=kind.name, part=part, at=at, sha256=hashlib.sha256(secret.encode()).hexdigest()[:16],
                )  # fmt: skip
    return passed(kind=None)
