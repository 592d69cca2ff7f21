"""The verbs, gathered. Modules with heavy imports are imported by the verb that needs them: `still sql` starts fast."""

import typer

from flows.command import look, work

app = typer.Typer(
    name="still",
    help="Prompts in, a trained student out: ask teachers within their limits and licences, judge, publish, train.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (work.demo, work.plan, work.run, work.judge, work.publish, work.train):
    app.command()(verb)
for verb in (look.status, look.sql, look.show, look.versions, look.teachers, look.simulate, look.doctor):
    app.command()(verb)
