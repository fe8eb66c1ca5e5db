"""All commands under one name: ``siamese-hpo``.

Installed, it runs from any folder, also one that holds a ``model.py`` or ``data/`` of the user's
own, which ``python -m`` would import in place of ours.
"""

import os
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hpo.terminal import options
from hpo.terminal.commands import COMMANDS, SCRIPT
from model.command import Command


class _Commands(TyperGroup):
    """Imports a command when it is invoked, so that help and completion need not wait for all."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, "list"]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = typer.main.get_command(import_module(COMMANDS[name].module).app)
            command.epilog = _named_here(command.epilog or "")
        return name, command, rest


def _named_here(examples: str) -> str:
    """Return the examples of a module's help as they are typed here."""
    examples = examples.replace("python run_study.py --list", f"{SCRIPT} list")
    for name, row in COMMANDS.items():
        for own in (f"python -m {row.module}", f"python {row.module}.py"):
            examples = examples.replace(own, f"{SCRIPT} {name}")
    return examples


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)


@app.callback(
    epilog=options.examples(
        "siamese-hpo run --study smoke",
        "siamese-hpo fit --study smoke --minutes 1",
        "siamese-hpo COMMAND --help",
    )
)
def _main(version: options.Version = False) -> None:
    """Hyperparameter search for one-shot image recognition with siamese nets."""


@app.command("list", cls=Command, epilog=options.examples("siamese-hpo list --out studies"))
def _list(out: options.Out = options.OUT, storage: options.Storage = None) -> None:
    """List the studies and the study files."""
    from hpo.terminal.listing import print_list
    from hpo.terminal.progress import console

    with options.reported():
        print_list(console(), out, storage)


def _group() -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name, row in COMMANDS.items():
        group.add_command(TyperCommand(name, help=row.summary), name)
    return group


def main() -> None:
    """Run the command that the process was started with."""
    # Neither may Python's helper processes, of workers and their like, import the user's modules.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    _group()(prog_name=SCRIPT)


if __name__ == "__main__":
    main()
