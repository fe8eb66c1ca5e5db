"""What every command is made with: help in one style, output that any terminal can show."""

import gc
import io
import sys
from typing import Any

import typer


class CommandApp(typer.Typer):
    """The application that a command is registered with; call it to run the command."""

    def __init__(self) -> None:
        super().__init__(
            add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False
        )

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
