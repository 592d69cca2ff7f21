"""What a report can and cannot say, with its own numbers (pure)."""

from tasks.report.facts import Facts


def cautions(facts: Facts) -> tuple[str, ...]:
    """One sentence or two for each limit of what the page shows."""
    said = (_simulated(facts), _checked(facts), _evaluation(facts), _drift(facts))
    return (
        *(line for line in said if line),
        "Tokens are those of the tokenizer that the rule length names, whoever the teacher is; the teachers' own "
        "counts are in the view traces.",
        "Examples are drawn by hash, not picked: two of each reason, and beside each a kept trace of its prompt, else "
        "of its family.",
    )


def _simulated(facts: Facts) -> str:
    names = sorted({each.teacher for each in facts.teachers if each.simulated})
    if not names:
        return ""
    return f"Simulated: {', '.join(names)}. Such rows say how the line works, and nothing about any model."


def _checked(facts: Facts) -> str:
    checked = sum(each.right + each.wrong for each in facts.verified)
    judged = sum(flow.judged for flow in facts.flows)
    return (
        f"Of {judged:,} judged answers {checked:,} were compared with a reference or run against tests; of the others "
        "nobody knows whether they are right. A right answer does not prove its reasoning."
    )


def _evaluation(facts: Facts) -> str:
    packs = facts.subject.setting("contamination", "eval_packs")
    if not packs:
        return "No evaluation pack was named, so contamination was not looked for."
    return (
        f"Evaluation questions were looked for in {len(packs)} pack{'s' if len(packs) > 1 else ''}, by shared runs of "
        "words: paraphrases, and questions of other packs, are not found."
    )


def _drift(facts: Facts) -> str:
    if not facts.drift:
        return ""
    return (
        "Drift is looked for in the share that passed, and in nothing else; under each plot stands how large a change "
        "would have been seen."
    )
