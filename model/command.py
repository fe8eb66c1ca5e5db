"""What every command is made with: help in one style, output that any terminal can show."""

import gc
import io
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand


class Command(TyperCommand):
    """A command that refuses empty words, such as an unset variable leaves.

    An empty path would mean the folder that one is in, an empty address any.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the words that are left; an empty one is an error of usage."""
        if not ctx.resilient_parsing:  # as for completion, which an empty word begins
            values, rest, parameters = self.make_parser(ctx).parse_args(list(args))
            named = [(one.opts[0], values[one.name]) for one in parameters]
            for name, value in [*named, ("", rest)]:
                words = value if isinstance(value, (list, tuple)) else [value]
                if any(isinstance(word, str) and not word.strip() for word in words):
                    name = name if name.startswith("-") else "an argument"
                    ctx.fail(f"{name} is empty; give it a value, or leave it out")
        return super().parse_args(ctx, args)


class CommandApp(typer.Typer):
    """The application that a command is registered with; call it to run the command."""

    def __init__(self) -> None:
        super().__init__(
            add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False
        )

    def command(self, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
        """Register a command, a `Command`."""
        return super().command(*arguments, **{"cls": Command, **options})

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the command; what stdout's encoding lacks is written as ``\\uNNNN``."""
        # Torch is half a million objects: to look for garbage among them takes a fifth of a start.
        gc.set_threshold(50_000, 20, 100)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().__call__(*arguments, **options)


def examples(*commands: str) -> str:
    """Return the end of a command's help: an example a line."""
    return "\n\n".join(("[bold]Examples[/bold]", *commands))
