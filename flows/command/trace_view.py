"""`still show`, as it is printed: the verdict, every rule, the texts, and where the trace came from and went."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tasks.report.verdict import Explained, Likeness, RuleSaid, published_in

COLOURS = {"kept": "green", "rejected": "red", "undecided": "yellow", "quarantined": "magenta"}
_DIGEST = re.compile("[0-9a-f]{32,64}")
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Letters that turn the direction of writing, by which a text can look like another."""


def visible(text: str) -> str:
    """What a teacher wrote, with control characters as escapes: a terminal would obey them."""
    return "".join(
        letter if letter in "\n\t" or not (unicodedata.category(letter) == "Cc" or letter in _TURNS)
        else f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"
        for letter in text
    )  # fmt: skip


def view(story: Mapping[str, Any], explained: Sequence[Explained]) -> Iterator[RenderableType]:
    """The parts in order; of several judgings the first is explained, the others named."""
    trace = story["trace"]
    yield Text.assemble(("trace ", "dim"), (trace["trace_id"], "bold"))
    if not explained:
        yield Text("not judged yet: `still judge RECIPE` does it", style="yellow")
    for verdict in explained[:1]:
        yield from _verdict(verdict)
    for verdict in explained[1:]:
        yield Text(f"also judged: {_in_short(verdict)}", style="dim")
    yield from _texts(story)
    yield from _section("where it is", _where(story))


def _verdict(verdict: Explained) -> Iterator[RenderableType]:
    colour = COLOURS.get(verdict.outcome, "")
    yield Text.assemble((verdict.outcome, f"bold {colour}"), f"  {verdict.reason or ''}")
    if verdict.details:
        yield Text(visible(verdict.details))
    now = "current" if verdict.is_current else "no longer current"
    yield Text(f"dataset {verdict.dataset}, judging {verdict.judge_run}, {now}", style="dim")
    yield Text()
    yield _rules(verdict.rules)
    if verdict.likenesses:
        yield Text()
        yield from (part for likeness in verdict.likenesses for part in _likeness(likeness))


def _in_short(verdict: Explained) -> str:
    reason = f" ({verdict.reason})" if verdict.reason else ""
    return f"{verdict.outcome}{reason} in {verdict.dataset}, judging {verdict.judge_run}"


def _rules(rules: Sequence[RuleSaid]) -> Table:
    table = Table(
        "", "rule", "may reject", "says", "measured, and thresholds", box=None, header_style="dim", padding=(0, 2, 0, 0)
    )
    for number, rule in enumerate(rules, 1):
        version = f" {rule.version}" if rule.version is not None else ""
        name = Text.assemble((rule.rule, "bold" if rule.decided else ""), (version, "dim"))
        may = Text("unknown" if rule.may_reject is None else "yes" if rule.may_reject else "no", style="dim")
        table.add_row(str(number), name, may, _says(rule), _figures(rule))
    return table


def _figures(rule: RuleSaid) -> Text:
    """What it measured, and under it the policy's thresholds."""
    lines = [(_pairs(rule.measured), ""), (_pairs(rule.thresholds), "dim")]
    said = Text("\n").join([Text(line, style) for line, style in lines if line])
    said.overflow = "fold"
    return said


def _says(rule: RuleSaid) -> Text:
    if rule.skipped:
        return Text(rule.skipped, style="dim")
    if rule.decided:
        return Text(f"{rule.found}: this decided", style="bold red")
    if not rule.found:
        return Text("nothing found", style="green")
    why = "noted: the policy lets it pass" if rule.may_reject is False else "noted: an earlier rule had decided"
    return Text(f"{rule.found}, {why}", style="yellow")


def _pairs(values: Mapping[str, Any]) -> str:
    return visible(", ".join(f"{name} {_value(value)}" for name, value in values.items()))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_value(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(_value(each) for each in value) or "none"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value[:12]
    return "none" if value is None else str(value)


def _likeness(likeness: Likeness) -> Iterator[RenderableType]:
    yield Text.assemble(
        (f"{likeness.relation} ", "bold"), likeness.trace_id, f"  {likeness.kind}, Jaccard {likeness.jaccard:.3f}"
    )
    if likeness.difference is None:
        yield Padding(Text("no difference in the texts", style="dim"), (0, 0, 0, 2))
        return
    yield Padding(Text(f"first difference at character {likeness.difference.at:,}", style="dim"), (0, 0, 0, 2))
    for whose, text in (("this ", likeness.difference.mine), ("other", likeness.difference.theirs)):
        yield Padding(Text.assemble((f"{whose}  ", "dim"), visible(text).replace("\n", "⏎")), (0, 0, 0, 2))


def _texts(story: Mapping[str, Any]) -> Iterator[RenderableType]:
    prompt, trace = story["prompt"] or {}, story["trace"]
    given = (
        ("question", prompt.get("question")),
        ("reasoning", trace["reasoning"]),
        ("answer", trace["answer"]),
        ("reference", prompt.get("reference")),
    )
    for name, text in given:
        yield from _section(name, [Text(visible(text))] if text else [Text("none", style="dim")])


def _section(name: str, parts: Sequence[RenderableType]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(name, style="bold cyan")
    yield from (Padding(part, (0, 0, 0, 2)) for part in parts)


def _where(story: Mapping[str, Any]) -> list[RenderableType]:
    table = Table.grid(padding=(0, 2))
    for name, value in (*_asked(story), *_licensed(story["terms"]), *_published(story)):
        table.add_row(Text(name, style="dim"), Text(visible(value)))
    return [table]


def _asked(story: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    trace, attempt = story["trace"], story["attempt"] or {}
    simulated = ", simulated" if trace["simulated"] else ""
    yield "teacher", f"{trace['teacher']} ({trace['teacher_model']} by {trace['route']}{simulated})"
    yield "received", f"{trace['received_at']:%Y-%m-%d %H:%M:%S} UTC" if trace["received_at"] else "unknown"
    tokens = [f"{trace[name]:,} {said}" for name, said in _TOKENS if trace[name] is not None]
    cost = "price unknown" if trace["cost_usd"] is None else f"${trace['cost_usd']:,.6g}"
    took = [] if trace["latency_s"] is None else [f"{trace['latency_s']:,.1f} s"]
    yield "cost", ", ".join([cost, *tokens, *took])
    finish = trace["finish_reason"] or "no finish reason"
    yield "response", f"{trace['outcome']}, {finish}" + (f", HTTP {attempt['status']}" if attempt.get("status") else "")
    yield "attempt", str(trace["attempt_id"])


_TOKENS = (("prompt_tokens", "tokens in"), ("completion_tokens", "tokens out"))


def _licensed(terms: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if terms is None:
        yield "terms", "not in the warehouse"
        return
    yield (
        "terms",
        f"{terms['terms_id']}: weights {terms['weights_license'] or '-'}, route {terms['route_license'] or '-'}",
    )
    review = f", reviewed by {terms['reviewed_by']} on {terms['reviewed_on']}" if terms["reviewed_by"] else ""
    yield "trainable", f"{terms['outputs_trainable'] or 'unknown'}{review}"


def _published(story: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    versions = published_in(story["lineage"])
    if not versions:
        yield "published", "in no version"
    for version, students in versions.items():
        yield "published", version + (f", learned by {', '.join(students)}" if students else "")
