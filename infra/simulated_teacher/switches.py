"""Every switch of the simulated teacher: its name, what it may be, and the presets that set it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import yaml

REASONING_PLACES = ("reasoning_content", "reasoning", "think", "think-close", "hidden", "none")
DISTRIBUTIONS = ("fixed", "uniform", "exp")
CHARGES = ("max_of", "sum", "actual")
DRAWS = ("question", "attempt", "prompt")
REFILLS = ("continuous", "window")
OUTPUT_CHARGED = ("at_end", "as_produced")
HEADER_STYLES = ("openai", "azure", "anthropic", "groq", "cerebras", "none")
QUEUE_COUNTS = ("waiting", "all")
RETRY_AFTER_AS = ("seconds", "date")
CONTINUES = ("none", "continue_final_message", "prefix")
METRICS = ("vllm", "sglang", "none")
ON_DISCONNECT = ("bill", "abort")

PRESETS_FILE = Path(__file__).with_name("presets.yaml")
SCENARIOS_FILE = Path(__file__).with_name("scenarios.yaml")


class BadSwitch(ValueError):
    """A switch that does not exist, or a value it cannot take; the message names both."""


def _is(
    help_text: str, default: Any, *, low: float = 0, high: float | None = None, one_of: tuple[str, ...] = ()
) -> Any:
    return field(default=default, metadata={"help": help_text, "low": low, "high": high, "one_of": one_of})


def _share(help_text: str) -> Any:
    return _is(help_text, 0.0, high=1.0)


@dataclass(frozen=True, slots=True)
class Switches:
    """What may be set by flag, by preset and in mid-run. Probabilities are of questions unless said
    otherwise."""

    model: str = _is("model name served and accepted", "simulated-teacher")
    reasoning: str = _is("where the reasoning goes", "reasoning_content", one_of=REASONING_PLACES)
    styles: int = _is("ways of wording the same solution; samples of one prompt differ only above 1", 1, low=1)
    continues: str = _is(
        "goes on with an assistant's last message: no (400), by vLLM's fields, by `prefix: true`",
        "none",
        one_of=CONTINUES,
    )
    context_tokens: int = _is("prompt and max_tokens together may not exceed this", 131072, low=1)

    rpm: float = _is("requests a minute, continuously refilled; 0 = no limit", 0.0)
    tpm: float = _is("tokens a minute, continuously refilled; 0 = no limit", 0.0)
    itpm: float = _is("input tokens a minute; 0 = no limit", 0.0)
    otpm: float = _is("output tokens a minute, charged as output_charged says; 0 = no limit", 0.0)
    rpd: float = _is("requests a day, a bucket that holds a day; 0 = no limit", 0.0)
    limit_factor: float = _is("multiplies every limit of the account: 0.5 halves, 2 doubles", 1.0, low=0.0001)
    burst_seconds: float = _is(
        "the quantum: how many seconds of a limit a full bucket or a window holds", 1.0, low=0.001
    )
    request_burst_seconds: float = _is("the quantum of requests a minute; 0 = burst_seconds", 0.0)
    token_refill: str = _is("tokens: a bucket refilled all the time, or windows", "continuous", one_of=REFILLS)
    request_refill: str = _is("requests: a bucket refilled all the time, or windows", "continuous", one_of=REFILLS)
    concurrency: int = _is("requests in flight; 0 = no limit", 0)
    charge: str = _is(
        "tokens a request is charged: max_of (max_tokens, chars/4), sum, actual", "max_of", one_of=CHARGES
    )
    output_charged: str = _is(
        "output tokens are charged at the end of an answer, or all along it", "at_end", one_of=OUTPUT_CHARGED
    )
    refused_cost: float = _is("requests that a refused request is charged", 1.0)
    headers: str = _is("whose names and units the limit headers and errors have", "openai", one_of=HEADER_STYLES)
    tenant_share: float = _is("share of every limit that another tenant of the account uses up", 0.0, high=0.95)
    growth: float = _is("the limits grow to this many times what succeeded lately; 0 = they stay", 0.0)
    growth_seconds: float = _is("how long ago lately is", 60.0, low=0.1)
    growth_max: float = _is("the limits never grow beyond this many times", 100.0, low=1)
    capacity_rpm: float = _is("requests a minute that the hardware takes; 503 above; 0 = any", 0.0)

    latency: float = _is("seconds before an answer (the mean of its distribution)", 0.0)
    latency_distribution: str = _is("drawn per question", "fixed", one_of=DISTRIBUTIONS)
    tokens_per_second: float = _is("adds completion tokens / this to the latency; 0 = at once", 0.0)
    slots: int = _is("answers written at once, further ones wait in line; 0 = any number", 0)
    batch_tokens_per_second: float = _is("tokens a second of all slots together; 0 = any", 0.0)
    queue_bound: int = _is("503 to a request that finds so many in line; 0 = no bound", 0)
    queue_bound_counts: str = _is(
        "what the bound counts: waiting, or all (running too)", "waiting", one_of=QUEUE_COUNTS
    )
    kv_cache_tokens: int = _is("tokens that the key-value cache holds, for the metrics; 0 = by slots", 0)
    metrics: str = _is("whose names GET /metrics has; none: there is no such page", "vllm", one_of=METRICS)
    blank_line_seconds: float = _is("a blank line each so often before a late answer's body; 0 = none", 0.0)
    filler_tokens: float = _is("further tokens of thinking aloud before the steps (the mean)", 0.0)
    filler_distribution: str = _is("how filler_tokens is drawn", "fixed", one_of=DISTRIBUTIONS)
    filler_drawn_per: str = _is(
        "question: length and latency by request id and body; attempt: length fresh; prompt: by messages alone",
        "question",
        one_of=DRAWS,
    )
    on_disconnect: str = _is(
        "a client that hangs up: bill the answer all the same, or abort it", "bill", one_of=ON_DISCONNECT
    )

    wrong_answers: float = _share("last step and answer wrong")
    wrong_reasoning: float = _share("a step wrong, the answer right")
    spoiled_reasoning: float = _share("results on the way wrong and gone on with, the last one and the answer right")
    truncated: float = _share("cut short with finish_reason length, whatever max_tokens says")
    refusals: float = _share("refuses in words")
    repeats: float = _share("loops over its last step")
    identity_leaks: float = _share("says whose model it is")
    control_tokens: float = _share("ends with a token of a chat template")
    injections: float = _share("gives an order to whoever reads it")
    secrets: float = _share("lets a made-up key, token or password slip")
    personal: float = _share("lets a made-up address, telephone, account or card number slip")
    foreign_scripts: float = _share("thinks aloud in another script, for a tenth of its reasoning")
    exact_repeats: float = _share("the same text for every sample of the prompt that draws this")
    near_duplicates: float = _share("that same text with one word more")
    empty_content: float = _share("no content")
    missing_usage: float = _share("no usage in the reply")
    canaries: float = _share("a marked sentence in the content")
    model_swaps: float = _share("the reply says it is from swapped_model")
    swapped_model: str = _is("the name that model_swaps replies with", "simulated-teacher-mini")

    server_errors: float = _share("per attempt: server_error_status instead of an answer, not billed")
    server_error_status: int = _is("status of server_errors", 503, low=500, high=599)
    resets_before: float = _share("per attempt: connection reset before anything is billed")
    resets_after: float = _share("per attempt: connection reset after the answer was billed")
    malformed: float = _share("per attempt: billed, status 200, JSON cut short")
    stream_breaks: float = _share("per attempt: a stream is billed, and reset halfway")
    stream_stalls: float = _share("per attempt: a stream falls silent halfway, for stall_seconds")
    stream_comment_seconds: float = _is("a comment each so often while a stream has nothing to say; 0 = none", 1.0)
    stalls: float = _share("per attempt: stall_seconds before the answer")
    stall_seconds: float = _is("length of a stall", 60.0)

    storm_seconds: float = _is("429 to every request for this long from when it is set", 0.0)
    storm_count: int = _is("429 to this many further requests", 0)
    credit_answers: int = _is("answers that the account can pay for, then credit_status; 0 = any number", 0)
    credit_status: int = _is("402, or 429 with insufficient_quota", 402, low=402, high=429)
    retry_after_as: str = _is("how retry-after is written", "seconds", one_of=RETRY_AFTER_AS)
    retry_after: float = _is("seconds that a storm or a full house asks to wait", 1.0)

    batch_seconds: float = _is("from a batch's creation to its end; its lines are answered evenly in between", 0.0)
    batch_fails: float = _share("of a batch's lines: status 500 in its error file, not billed")
    batch_expires: float = _share("a batch expires when this share of its lines is answered; 0 = never")
    batch_metadata: str = _is("given back with a batch, or lost", "kept", one_of=("kept", "lost"))
    batch_made_unsaid: int = _is("this many batches are made and their creation answered with 500", 0)
    batch_requests: int = _is("most requests a batch may have", 50_000, low=1)

    def changed(self, values: Mapping[str, object]) -> Switches:
        """These switches with some changed. BadSwitch names what is wrong."""
        checked: dict[str, Any] = {name: _checked(name, value) for name, value in values.items()}
        return replace(self, **checked)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


SWITCHES = {switch.name: switch for switch in fields(Switches)}
TYPES: dict[str, type[str] | type[int] | type[float]] = get_type_hints(Switches)


def _checked(name: str, value: object) -> object:
    switch = SWITCHES.get(name)
    if switch is None:
        raise BadSwitch(f"no switch {name!r}: known are {', '.join(SWITCHES)}")
    kind, meta = TYPES[name], switch.metadata
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise BadSwitch(f"switch {name}: {value!r} is not of type {kind.__name__}")
    if meta["one_of"] and value not in meta["one_of"]:
        raise BadSwitch(f"switch {name}: {value!r} is none of {', '.join(meta['one_of'])}")
    if isinstance(value, int | float):
        high = meta["high"]
        if not value >= meta["low"] or (high is not None and value > high) or value == float("inf"):
            above = "up" if high is None else f"to {high:g}"
            raise BadSwitch(f"switch {name}: {value!r} is out of range: from {meta['low']:g} {above}")
    return value


@dataclass(frozen=True, slots=True)
class Change:
    """Switches that change by themselves in mid-run: after so many chat requests, or so many seconds after the start or
    after the first chat request."""

    after_requests: int | None
    after_seconds: float | None
    after_first: float | None
    values: Mapping[str, object]


_MOMENTS = ("after_requests", "after_seconds", "after_first")


def parse_change(values: Mapping[str, object]) -> Change:
    """`{"after_requests": 100, "rpm": 60}`; one of after_requests, after_seconds (since the start) and after_first
    (seconds since the first chat request). BadSwitch otherwise."""
    rest = dict(values)
    moments = {name: rest.pop(name) for name in _MOMENTS if name in rest}
    if len(moments) != 1 or not rest:
        raise BadSwitch(f"change {dict(values)!r}: give one of {', '.join(_MOMENTS)}, and a switch")
    ((name, moment),) = moments.items()
    if isinstance(moment, bool) or not isinstance(moment, int if name == "after_requests" else int | float):
        kind = "whole number" if name == "after_requests" else "number"
        raise BadSwitch(f"change: {name} is {moment!r}, not a {kind}")
    Switches().changed(rest)
    if name == "after_requests":
        return Change(int(moment), None, None, rest)
    seconds = float(moment)
    return Change(None, seconds, None, rest) if name == "after_seconds" else Change(None, None, seconds, rest)


def presets() -> dict[str, dict[str, Any]]:
    """The shipped presets by name: `about`, `source` and `switches`."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(PRESETS_FILE.read_text(encoding="utf-8"))
    return loaded


def preset(name: str) -> Switches:
    """The switches of one shipped preset. BadSwitch for an unknown name."""
    known = presets()
    if name not in known:
        raise BadSwitch(f"no preset {name!r}: known are {', '.join(known)}")
    return Switches().changed(known[name]["switches"])


def scenarios() -> dict[str, dict[str, Any]]:
    """The shipped scenarios by name: `about`, `switches`, and `changes` in mid-run. They go over any preset."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(SCENARIOS_FILE.read_text(encoding="utf-8"))
    return loaded


def scenario(name: str) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """The switches and the changes of one shipped scenario. BadSwitch for an unknown name."""
    known = scenarios()
    if name not in known:
        raise BadSwitch(f"no scenario {name!r}: known are {', '.join(known)}")
    found = known[name]
    return found.get("switches", {}), tuple(parse_change(change) for change in found.get("changes", []))
