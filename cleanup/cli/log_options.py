"""`--version`, and the options that say how and how much is told on stderr: of every command, and before it."""

import click

from cleanup import __version__
from cleanup.cli import output
from cleanup.cli.parsing import ConfigurableOption, EnumChoice


def version_option() -> click.Option:
    """`--version`, which says it and ends; with --verbose, which is eager, what a bug report needs."""

    def obey(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if not asked:
            return
        if output.tracer() is None:
            say_and_exit(ctx, f"image-cleanup {__version__}")
            return
        from cleanup.cli import version  # it asks the system many things

        say_and_exit(ctx, version.in_full())

    return click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        help="Show the version, or with -v all that a bug report needs.",
        callback=obey,
    )


def log_format_option() -> click.Option:
    """`--log-format`, of every command and before it: only checked here, for it was obeyed before (`asked_for`)."""
    return ConfigurableOption(
        ["--log-format"],
        type=EnumChoice(output.LogFormat),
        default=output.LogFormat.AUTO.value,
        expose_value=False,
        configured=False,
        panel="Logs",
        shared=True,
        help="How logs on stderr look; auto: plain on a terminal, else JSON.",
    )


def log_options() -> list[click.Parameter]:
    """The options that say how and how much is told on stderr: of every command, and before it."""
    return [
        _verbosity_option("--quiet", "-q", output.Verbosity.QUIET, "Only warnings and errors; no progress."),
        _verbosity_option(
            "--verbose", "-v", output.Verbosity.VERBOSE, "Also what is read, and each request."
        ),
        log_format_option(),
    ]


def _verbosity_option(name: str, short: str, least: output.Verbosity, text: str) -> click.Option:
    def obey(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            output.tell_only(least)

    return ConfigurableOption(
        [name, short],
        shared=True,
        is_flag=True,
        is_eager=True,  # what is said about other options is told so, too
        expose_value=False,
        panel="Logs",
        help=text,
        callback=obey,
    )


def say_and_exit(ctx: click.Context, text: str) -> None:
    """Show a text instead of running the command; not where a word is completed."""
    if not ctx.resilient_parsing:
        output.say(text)
        ctx.exit()
