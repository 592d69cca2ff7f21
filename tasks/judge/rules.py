"""The rules that look at one trace, cheapest first (pure). Each says what it measured and whether the trace
passes.

| rule | reason codes |
|---|---|
| finish | `truncated`, `not_finished`; undecided: `finish_unknown` |
| empty | `empty_answer` |
| encoding | `bad_encoding` |
| reasoning | `unclosed_reasoning`, `no_reasoning` |
| refusal | `refused` |
| identity | `identity_leak` |
| control | `control_tokens` |
| injection | `injection` |
| secrets | `secret` |
| personal | quarantined: `personal_data` |
| script | `script_mix` |
| question | `needs_image`, `question_too_short` |
| contamination | `contaminated_question`, `contaminated_trace`; quarantined: `contamination_review` |
| length | `too_short`, `too_long` |
| repetition | `repetition` |
| steps | `false_step` |
| consistency | quarantined: `answers_differ` |
| answer | `wrong_answer`, `judged_wrong`; undecided: the codes of `verify.py`, `judge_unsure` |

The rules that look at all traces together are `vote` (`outvoted`; undecided: `no_majority`, `too_few_votes`,
`no_ballot`), `pass_rate` (`none_pass`, `all_pass`), `duplicate` (`exact_duplicate`, `near_duplicate`), `template`
(`template`) and `per_prompt` (`over_k`); they are in `together.py`, `duplicates.py` and their SQL. A changed rule gets
a higher version, and so a new rule set: everything is then judged again, and nobody is asked.
"""

import json
import re
from collections.abc import Sequence
from importlib.metadata import version

from tasks.judge import consistency, contamination, opinion, sketch, steps, template, verify, vote, words
from tasks.judge.contamination import Evaluation
from tasks.judge.credentials import check_secrets
from tasks.judge.finding import Finding, Rule, Signal, Trace, passed, rejected
from tasks.judge.leaks import check_control, check_identity, check_injection, check_script
from tasks.judge.packs import Pack
from tasks.judge.personal import check_personal
from tasks.judge.policy import JudgePolicy
from tasks.judge.questions import check_question
from tasks.judge.tokens import TOKENIZER
from warehouse.records import content_id


def check_finish(trace: Trace, policy: JudgePolicy) -> Finding:
    """The answer ended by itself: a truncated one teaches a student never to stop."""
    reason = trace.finish_reason
    if reason == "length" or trace.outcome == "truncated":
        return rejected("truncated", f"cut off at its token limit (finish_reason {reason})", finish_reason=reason)
    if reason is None:
        return Finding("undecided", {"finish_reason": None}, "finish_unknown", "the server gave no finish_reason")
    if reason not in policy.complete and trace.outcome != "refused":
        return rejected(
            "not_finished",
            f"finish_reason is {reason!r}, expected one of {', '.join(policy.complete)}",
            finish_reason=reason,
        )
    return passed(finish_reason=reason)


def check_empty(trace: Trace, policy: JudgePolicy) -> Finding:
    """There is an answer beside the reasoning."""
    if trace.answer.strip():
        return passed(answer_characters=len(trace.answer))
    return rejected(
        "empty_answer", f"no answer after {len(trace.reasoning)} characters of reasoning", answer_characters=0
    )


_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd\ufffe\uffff]")
_UNREADABLE_MOST = 0.005


def check_encoding(trace: Trace, policy: JudgePolicy) -> Finding:
    """Text, not bytes: at most 0.5 % control or replacement characters (broken UTF-8 shows as U+FFFD)."""
    text = trace.text
    share = len(_UNREADABLE.findall(text)) / max(1, len(text))
    if share <= _UNREADABLE_MOST:
        return passed(unreadable=round(share, 4))
    return rejected(
        "bad_encoding",
        f"{share:.1%} of its characters are control or replacement characters",
        unreadable=round(share, 4),
    )


_THINK_TAG = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)


def check_reasoning(trace: Trace, policy: JudgePolicy) -> Finding:
    """The reasoning is closed, and as long as the policy wants."""
    count, limit = trace.reasoning_tokens, policy.min_reasoning_tokens
    signal: Signal = {"reasoning_tokens": count, "tokenizer": TOKENIZER}
    if tag := _THINK_TAG.search(trace.answer):
        return rejected("unclosed_reasoning", f"the answer holds a stray {tag[0]}", **signal)
    if count < limit:
        details = f"{count} tokens of reasoning ({TOKENIZER}), min_reasoning_tokens is {limit}"
        return rejected("no_reasoning", details, **signal)
    return passed(**signal)


_CANNOT = r"(?:cannot|can['’]t|can not|won['’]t|will not|am unable to|am not able to|must decline to|refuse to)"
_HELP = (
    r"(?:help|assist|comply|provide|answer|fulfil+|continue|share|give|discuss|support|engage|participate|create"
    r"|generate|write|complete|respond|do that|solve)"
)
_REFUSAL = re.compile(
    "|".join(
        (
            r"\bI(?:['’]m| am) (?:very |so |really )?(?:sorry|afraid)\b[^.]{0,60}"
            r"\b(?:can(?:no|['’])t|unable|won['’]t|not able)",
            rf"\bI {_CANNOT} {_HELP}\b",
            rf"\bI['’]m (?:unable|not able) to {_HELP}\b",
            r"\bas an? (?:AI|artificial intelligence|(?:large )?language)\b[^.]{0,100}"
            r"\b(?:cannot|can['’]t|unable|not able|do not|don['’]t)\b",
            r"\bagainst (?:my|our|the) (?:content |usage )?(?:guidelines|polic(?:y|ies)|programming)\b",
            r"\b(?:I must decline|I have to decline|not something I can (?:help|assist))\b",
        )
    ),
    re.IGNORECASE,
)
_WINDOW = 300


def check_refusal(trace: Trace, policy: JudgePolicy) -> Finding:
    """No refusal in the first or last 300 characters of the answer. The reasoning is not searched: "I
    can't" is normal there."""
    if trace.outcome == "refused":
        return rejected("refused", "the server marked the answer as a refusal", refusal="server")
    for part in (trace.answer[:_WINDOW], trace.answer[-_WINDOW:]):
        if found := _REFUSAL.search(" ".join(part.split())):
            words_of_it = found[0]
            return rejected("refused", f"the answer says {words_of_it!r}", refusal=words_of_it)
    return passed(refusal=None)


def check_length(trace: Trace, policy: JudgePolicy) -> Finding:
    """Reasoning and answer together are within the policy's bounds."""
    count, said = trace.tokens, f"{trace.tokens} tokens ({TOKENIZER})"
    signal: Signal = {"tokens": count, "tokenizer": TOKENIZER}
    if count < policy.min_tokens:
        return rejected("too_short", f"{said}, min_tokens is {policy.min_tokens}", **signal)
    if count > policy.max_tokens:
        return rejected("too_long", f"{said}, max_tokens is {policy.max_tokens}", **signal)
    return passed(**signal)


def check_repetition(trace: Trace, policy: JudgePolicy) -> Finding:
    """No loops: neither many repeated word 8-grams nor text that compresses like a pattern."""
    share = round(trace.repeated, 4)
    ratio = round(words.compression_ratio(trace.text.encode("utf-8", "replace")), 2)
    if share > policy.max_repeated:
        details = f"{share:.0%} of its word 8-grams occurred before, max_repeated is {policy.max_repeated:.0%}"
        return rejected("repetition", details, repeated=share, compression=ratio)
    if ratio > policy.max_compression:
        details = f"compresses {ratio:g} times, max_compression is {policy.max_compression:g}"
        return rejected("repetition", details, repeated=share, compression=ratio)
    return passed(repeated=share, compression=ratio)


def check_answer(trace: Trace, policy: JudgePolicy) -> Finding:
    """The final answer is right, by the prompt's own verifier."""
    check = verify.verify(trace.verifier, trace.answer, trace.reference, trace.metadata)
    signal: Signal = {"verifier": trace.verifier, "score": check.score, "check": check.details}
    if check.sandbox is not None:
        signal["sandbox"] = check.sandbox
    if check.score is None and check.code:
        signal["undecided"] = check.code
    if check.score is None and policy.llm is not None and trace.opinion is not None:
        return _by_opinion(trace, signal)
    if trace.verifier == "none" or check.right:
        return Finding("pass", signal)
    if check.score is None:
        return Finding("undecided", signal, check.code, check.details)
    return Finding("reject", signal, "wrong_answer", check.details)


def _by_opinion(trace: Trace, signal: Signal) -> Finding:
    """Where no verifier decides, what the LLM judge said."""
    said = opinion.read(trace.opinion)
    signal |= {"opinion": said or "unreadable", "opinion_id": trace.opinion_id, "opinion_by": trace.opinion_by}
    if said == "correct":
        return Finding("pass", signal | {"score": 1.0})
    details = f"{trace.opinion_by} was asked and said {said or 'neither correct nor incorrect'}"
    if said == "incorrect":
        return Finding("reject", signal | {"score": 0.0}, "judged_wrong", details)
    return Finding("undecided", signal, "judge_unsure", details)


def rules(evaluation: Evaluation) -> tuple[Rule, ...]:
    """All of them, in their order."""

    def check_eval(trace: Trace, policy: JudgePolicy) -> Finding:
        return contamination.check_contamination(trace, policy, evaluation)

    eval_settings = ("max_eval_coverage", "review_eval_coverage")
    return (
        Rule("finish", 1, ("complete",), check_finish),
        Rule("empty", 1, (), check_empty),
        Rule("encoding", 1, (), check_encoding),
        Rule("reasoning", 2, ("min_reasoning_tokens",), check_reasoning),
        Rule("refusal", 1, (), check_refusal),
        Rule("identity", 1, (), check_identity),
        Rule("control", 1, (), check_control),
        Rule("injection", 1, (), check_injection),
        Rule("secrets", 1, (), check_secrets),
        Rule("personal", 1, (), check_personal),
        Rule("script", 1, ("max_foreign_script",), check_script),
        Rule("question", 1, ("min_question_characters",), check_question),
        Rule("contamination", contamination.VERSION, eval_settings, check_eval),
        Rule("length", 2, ("min_tokens", "max_tokens"), check_length),
        Rule("repetition", 1, ("max_repeated", "max_compression"), check_repetition),
        Rule("steps", steps.VERSION, ("steps", "max_false_steps"), steps.check_steps),
        Rule("consistency", consistency.VERSION, ("consistency",), consistency.check_consistency),
        Rule("answer", verify.VERSION, ("answer", "llm"), check_answer),
    )


NOTHING = Evaluation()
RULES = rules(NOTHING)
DUPLICATE_VERSION = 1
PASS_RATE_VERSION = 1
PER_PROMPT_VERSION = 2
_TEMPLATE_SETTINGS = ("template", "template_prompts", "max_template")


def described(policy: JudgePolicy, packs: Sequence[Pack] = ()) -> list[dict[str, object]]:
    """Every rule with its version, its thresholds, whether it rejects, and the libraries and packs that decide with
    it."""
    given = policy.model_dump(mode="json")
    rows: list[dict[str, object]] = [
        _described(rule.name, rule.version, rule.settings, given, policy) for rule in RULES
    ]
    rows[-1]["libraries"] = {name: version(name) for name in ("math-verify", "sympy", "reasoning-gym")}
    rows[-1]["llm"] = policy.llm and [policy.llm.teacher, *policy.llm.asked_about, opinion.VERSION]
    by_rule = {str(row["rule"]): row for row in rows}
    by_rule["secrets"]["libraries"] = {"detect-secrets": version("detect-secrets")}
    by_rule["personal"]["libraries"] = {"phonenumberslite": version("phonenumberslite")}
    named = sorted((pack.name, pack.sha256) for pack in packs)
    by_rule["contamination"]["eval_packs"] = named
    settings = ("near_duplicate_jaccard", "cross_prompt_words")
    voting, rating = ("answer", "vote_samples", "vote_share"), ("pass_rate_samples", "min_pass_rate", "max_pass_rate")
    rows.append(_described("vote", vote.VERSION, voting, given, policy) | {"rejects": policy.rejects("answer")})
    rows.append(_described("pass_rate", PASS_RATE_VERSION, rating, given, policy))
    rows.append(_described("duplicate", DUPLICATE_VERSION, settings, given, policy) | {"sketch": sketch.VERSION})
    rows.append(_described("template", template.VERSION, _TEMPLATE_SETTINGS, given, policy))
    return [*rows, _described("per_prompt", PER_PROMPT_VERSION, ("keep_per_prompt",), given, policy)]


ROWS_VERSION = 1
"""Of what is kept of each row beside its verdict."""


def row_rule_set(policy: JudgePolicy, packs: Sequence[Pack] = ()) -> str:
    """The hash of what decides what is found in a trace by itself: findings under an equal one are not made again."""
    by_row = described(policy, packs)[: len(RULES)]
    return content_id(json.dumps(by_row, sort_keys=True), sketch.VERSION, template.VERSION, vote.VERSION, ROWS_VERSION)


def _described(
    name: str, number: int, settings: tuple[str, ...], given: dict[str, object], policy: JudgePolicy
) -> dict[str, object]:
    return {"rule": name, "version": number, "rejects": policy.rejects(name)} | {key: given[key] for key in settings}


def rule_set(policy: JudgePolicy, packs: Sequence[Pack] = ()) -> str:
    """The hash of every rule's name, version and threshold, and of the evaluation packs."""
    return content_id(json.dumps(described(policy, packs), sort_keys=True))
