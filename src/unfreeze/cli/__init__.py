"""The command line: `unfreeze COMMAND …`. A command only parses, calls the library, and returns what to print."""

from unfreeze.cli.running import main, run

__all__ = ["main", "run"]
