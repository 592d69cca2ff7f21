"""The verbs, gathered. Modules with heavy imports are imported by the verb that needs them: `still sql` starts fast."""

from collections.abc import Callable

import typer

from flows.command import look, papers, recall, report, students, teachers, work

app = typer.Typer(
    name="still",
    help="Prompts in, a trained student out: ask teachers within their limits and licences, judge, publish, train.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: tuple[Callable[..., None], ...] = (
    *(work.demo, work.plan, work.run, work.judge, work.reparse, work.publish, work.train),
    *(look.status, look.sql, look.show, report.report, look.versions, look.simulate, look.doctor),
    *(papers.verify, papers.sign),
)
for verb in VERBS:
    app.command()(verb)
app.add_typer(recall.app)
app.add_typer(students.app)
app.add_typer(teachers.app, name="teachers")
