"""The ``tocsin`` command. Subcommands are imported only when they run, so ``--help`` is fast.

Exit codes: 0 done, 1 the answer is no (something was lost, refused or not found), 2 the command or
the configuration is wrong, 3 something it needs is away.
"""

from __future__ import annotations

import importlib
import sys
from typing import cast

import click

from shared.errors import Misconfigured, TocsinError

COMMANDS = {
    "demo": ("services.commands.demo", "The whole system on a sample, live."),
    "up": ("services.commands.up", "The whole system, without a sample; stays."),
    "worker": ("services.commands.worker", "One worker process, as in production."),
    "topics": ("services.commands.topics", "Plan and apply the Kafka topics."),
    "sources": ("services.commands.sources", "Add, list, rotate, test and pause sources."),
    "originals": ("services.commands.originals", "Open an untouched message that was sealed."),
    "classify": ("services.commands.classify", "Classify JSONL from stdin to stdout; no Kafka."),
    "rules": ("services.commands.rules", "Check, test and explain the rules of the classifier."),
    "model": ("services.commands.model", "Train, evaluate and compare the classifier's model."),
    "corrections": (
        "services.commands.corrections",
        "Correct severities; the next model learns them.",
    ),
    "cases": ("services.commands.cases", "List cases, show them, and do everything to them."),
    "policy": ("services.commands.policy", "Check, explain and simulate escalation policies."),
    "sinks": ("services.commands.sinks", "Check, list and test who is told by which way."),
    "deliveries": ("services.commands.deliveries", "What was told to whom; tell it again."),
    "webhook": ("services.commands.webhook", "Make a signing secret; check a signed web hook."),
    "observe": ("services.commands.observe", "Tell intake what staff saw or heard."),
    "tone": ("services.commands.tone", "Check the tone of a message to a customer; show ours."),
    "import": ("services.commands.import_", "Bring in history from files."),
    "search": ("services.commands.search", "Find what was said before, and how it was resolved."),
    "export": ("services.commands.export", "Write the record to files, for other tools."),
    "replay": ("services.commands.replay", "Rebuild the state from the log, and compare."),
    "erase": ("services.commands.erase", "Erase all that is kept of a customer."),
    "config": ("services.commands.config", "Show the settings and where they come from."),
}


class LazyGroup(click.Group):
    """Knows its subcommands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tocsin", prog_name="tocsin")
@click.option("--config", "file", type=click.Path(dir_okay=False), help="Settings file.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Override a setting.")
@click.pass_context
def cli(context: click.Context, file: str | None, settings: tuple[str, ...]) -> None:
    """Streaming triage and escalation of customer feedback."""
    context.obj = (file, settings)


def main() -> None:
    """Run the command line; end the process with its exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except KeyboardInterrupt:
        code = 130
    except TocsinError as error:
        click.echo(f"tocsin: {error}", err=True)
        code = 2 if isinstance(error, Misconfigured) else 3
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
