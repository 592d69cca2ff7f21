"""Section 2.5 of the EU's template, synthetic data, filled in for one version (pure).

The template is annexed to the Commission's communication C(2025) 8311 final of 5.12.2025, "Explanatory Notice and
Template for the Public Summary of Training Content for general-purpose AI models required by Article 53 (1)(d) of
Regulation (EU) 2024/1689". The duty to publish a summary is that of a provider of such a model.
"""

from tasks.papers.source import prompts_of
from warehouse.manifest import Manifest, TeacherEntry

_DOCUMENT = (
    "C(2025) 8311 final of 5.12.2025, Explanatory Notice and Template for the Public Summary of Training Content for "
    "general-purpose AI models required by Article 53 (1)(d) of Regulation (EU) 2024/1689"
)
_NOT_COVERED = (
    "which of these models count as general-purpose AI models, and whether they are on the market of the Union: "
    "whoever places the student on the market says so",
    "the other parts of the summary: the provider and the student (section 1), publicly available, licensed, crawled "
    "and user data (2.1 to 2.4), other sources (2.6), and how data was processed (section 3)",
    "what the teachers themselves were trained on, beyond what their providers publish",
    "the prompts, where they are not synthetic themselves: their source and licence are named above for that",
)


def eu_report(manifest: Manifest) -> bytes:
    """Write the version's contribution to a summary: which models made the data, how much of it, from what."""
    made = f"{manifest.rows} rows, {manifest.tokens} completion tokens as the teachers reported or as estimated"
    simulated = (
        ["", "**These rows come from the simulated teacher, a test server. It is no AI model.**"]
        if manifest.simulated
        else []
    )
    lines = [
        f"# Synthetic data in {manifest.version}",
        "",
        f"For section 2.5 of the template in {_DOCUMENT}. Not legal advice.",
        *simulated,
        "",
        "## 2.5 Synthetic AI-generated data",
        "",
        "- Was synthetic AI-generated data created by the provider, or on its behalf, to train the model: yes",
        f"- Modality: text ({made}, published {manifest.published_at:%Y-%m-%d})",
        "- Models used to generate it:",
        *(line for teacher in manifest.teachers for line in _model(teacher)),
        f"- From the prompts of: {prompts_of(manifest)} (licence: {', '.join(manifest.licenses) or 'not stated'})",
        "",
        "## What this report does not say",
        "",
        *(f"- {line}" for line in _NOT_COVERED),
    ]
    return ("\n".join(lines) + "\n").encode()


def _model(teacher: TeacherEntry) -> list[str]:
    revision = f", revision {teacher.revision}" if teacher.revision else ""
    licenses = [one for one in (teacher.weights_license, teacher.route_license) if one]
    return [
        f"  - {teacher.model}{revision} (teacher `{teacher.teacher}`, reached over {teacher.route}): {teacher.rows}"
        " rows",
        f"    - licence and terms: {', '.join(licenses) or 'not stated'} (`{teacher.terms_id}`); let in by decision"
        f" `{teacher.decision_id}`",
        *(f"    - {condition}" for condition in teacher.conditions),
    ]
