"""The command line: one table of everything that a person can type.

Each command's words of help are its function's docstring. The functions import what they need when they are called, so
that ``sahut --help`` and the start of ``up`` are quick.
"""

import os
import resource
import sys
from collections.abc import Callable

import typer

from sahut.app.cannot_start import CannotStart
from sahut.app.commands import backup, doctor, jobs, lab, proof, psql, roles
from sahut.app.commands.telling import tell

# In the order in which they are shown: running it, proving it, trying it.
TABLE: tuple[tuple[str, Callable[..., None]], ...] = (
    ("up", roles.up),
    ("web", roles.web),
    ("work", roles.work),
    ("migrate", roles.migrate),
    ("doctor", doctor.doctor),
    ("psql", psql.psql),
    ("audit", proof.audit),
    ("verify", proof.verify),
    ("retain", proof.retain),
    ("backup", backup.backup),
    ("restore", backup.restore),
    ("archive", backup.archive),
    ("demo", lab.demo),
    ("bench", lab.bench),
    ("trial", lab.trial),
)
# Commands with commands below them.
GROUPS: tuple[tuple[str, typer.Typer], ...] = (("jobs", jobs.jobs),)

app = typer.Typer(
    name="sahut",
    help="A wallet with a service desk that can prove it was reachable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _name, _function in TABLE:
    app.command(_name)(_function)
for _name, _group in GROUPS:
    app.add_typer(_group, name=_name)


def run() -> None:
    """Run the command line; what stops a start becomes one sentence and exit code 1."""
    os.umask(0o077)  # whatever is written, nobody else may read it
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # it would hold secrets
    try:
        app()
    except CannotStart as sentence:
        tell(str(sentence), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
