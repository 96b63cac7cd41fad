"""The application: all commands under one name."""

from cyclopts import App, Group, Parameter

from unfreeze.cli.advise import advise_command
from unfreeze.cli.cache import cache_command
from unfreeze.cli.check import check_command
from unfreeze.cli.compare import compare_command
from unfreeze.cli.demo import demo_command
from unfreeze.cli.evaluate import evaluate_command
from unfreeze.cli.export import export_command
from unfreeze.cli.layers import layers_command
from unfreeze.cli.models import models_command
from unfreeze.cli.plan import plan_command
from unfreeze.cli.predict import predict_command
from unfreeze.cli.report import report_command
from unfreeze.cli.serve import serve_command
from unfreeze.cli.teach import teach_command
from unfreeze.cli.train import train_command

__all__ = ["build_app"]

USING = Group("From pictures to predictions", sort_key=1)
LOOKING = Group("Before anything trains", sort_key=2)
KEEPING = Group("Upkeep", sort_key=3)
COMMANDS = {
    USING: (
        demo_command,
        check_command,
        advise_command,
        train_command,
        compare_command,
        report_command,
        predict_command,
        evaluate_command,
        export_command,
        serve_command,
        teach_command,
    ),
    LOOKING: (models_command, layers_command, plan_command),
    KEEPING: (cache_command,),
}


def build_app() -> App:
    """Return the application that parses arguments and calls a command."""
    app = App(
        name="unfreeze",
        help="Fine-tune the last layers of pretrained image networks, and know which layers, at which rates, and why.",
        help_epilogue="Begin with `unfreeze demo`, or with `unfreeze train PICTURES/` where PICTURES/ holds one "
        "folder per class.",
        help_format="plaintext",
        version=_version,
        suppress_keyboard_interrupt=False,  # main says that it was interrupted
        default_parameter=Parameter(negative=()),
        group_parameters=Group("Parameters", sort_key=8),
        group_arguments=Group("Arguments", sort_key=1),
    )
    for group, commands in COMMANDS.items():
        for command in commands:
            name = command.__name__.removesuffix("_command")
            app.command(command, name=name, group=group, sort_key=commands.index(command))
    return app


def _version() -> str:
    import unfreeze

    version: str = unfreeze.__version__
    return f"unfreeze {version}"
