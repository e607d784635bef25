"""The `kinecast` command. Each subcommand is a module that is imported only when it is asked for."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn, Protocol, cast

from realtime.config_file import config_files, options_of, settings_for, subparsers_of, without_overruled
from realtime.source_names import without_secrets

DESCRIPTION = "Live OpenSim joint angles from one webcam."

COMMANDS = {
    "app": "realtime.commands.app",
    "live": "realtime.commands.live",
    "replay": "realtime.commands.replay",
    "study": "realtime.commands.study.cli",
    "record": "realtime.commands.record",
    "recover": "realtime.commands.recover",
    "listen": "realtime.commands.listen",
    "view": "realtime.commands.view",
    "keys": "realtime.commands.keys",
    "report": "realtime.commands.report",
    "export": "realtime.commands.export",
    "bridge": "realtime.commands.bridge",
    "calibrate": "realtime.commands.calibrate.cli",
    "evaluate": "realtime.commands.evaluate",
    "train": "train.cli",
    "engines": "realtime.commands.engines.cli",
    "latency": "realtime.commands.latency",
    "bench": "realtime.commands.bench",
    "assets": "realtime.commands.assets",
    "doctor": "realtime.commands.doctor",
}
"""Command -> module, in the order of the help."""

REFUSALS = {
    "calib.errors": "CalibError",
    "engines.errors": "EngineError",
    "realtime.errors": "RealtimeError",
    "train.errors": "TrainError",
}
"""Errors that the user can fix: exit code 2. By name, because realtime does not import train."""


LONGEST_WORD = 300
LONGEST_LINE = 1500
"""Characters of a message."""


class CommandModule(Protocol):
    """What the module of a command has."""

    HELP: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class UsageError(Exception):
    """Words of a command line that no command accepts."""


class PlainParser(argparse.ArgumentParser):
    """Reports wrong usage in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")


class ConsoleHandler(logging.Handler):
    """Writes notes to stderr without breaking a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        from tqdm import tqdm

        try:
            said = without_secrets(self.format(record))
            tqdm.write(f"kinecast: {said if record.exc_info else one_line(said)}", file=sys.stderr)
        except (OSError, ValueError):
            self.handleError(record)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words of the command line; None takes those of the process.

    Returns:
        Exit code. 0: done. 2: refused input or usage. 1: anything else.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    arguments = arguments or offered_command()
    is_debugging = "--debug" in arguments
    try:
        return _run(arguments)
    except UsageError as error:
        print(one_line(without_secrets(str(error), arguments)), file=sys.stderr)
        return 2
    except SystemExit as error:  # argparse: help, version
        return error.code if isinstance(error.code, int) else 1
    except BrokenPipeError:  # `kinecast listen | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("kinecast: stopped", file=sys.stderr)
        return 1
    except Exception as error:
        if is_debugging:
            raise
        return _report(error, arguments)


def offered_command() -> list[str]:
    """The app, if somebody at a terminal who has typed no command wants it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return []
    print("kinecast COMMAND does one thing (kinecast --help lists all); kinecast app opens the app.")
    try:
        answer = input("Open the app in the browser now? [Y/n] ")
    except EOFError:
        answer = "n"
    return ["app"] if answer.strip().lower() in ("", "y", "yes") else ["--help"]


def one_line(text: object) -> str:
    """Text without line breaks, in which values too long to read have lost their middle."""
    words = (_shorten(word, LONGEST_WORD) for word in str(text).split())
    return _shorten(" ".join(words), LONGEST_LINE)


def _shorten(text: str, n_most: int) -> str:
    """Text of at most `n_most` characters; the start and the end tell more than the middle."""
    n_end = n_most // 3
    return text if len(text) <= n_most else f"{text[: n_most - n_end - 3]}...{text[-n_end:]}"


def get_version() -> str:
    """The installed version."""
    try:
        return version("kinecast")
    except PackageNotFoundError:
        return "(not installed)"


def build_parser(arguments: Sequence[str]) -> PlainParser:
    """The parser for these arguments: only the command that they name is imported, all for the help."""
    parser = PlainParser(prog="kinecast", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"kinecast {get_version()}")
    common = PlainParser(add_help=False)
    for target, default in ((parser, False), (common, argparse.SUPPRESS)):
        target.add_argument("--debug", action="store_true", default=default, help="show tracebacks")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=PlainParser
    )
    named = next((word for word in arguments if word in COMMANDS or word == "--version"), None)
    for name, path in COMMANDS.items():
        if named is not None and name != named:
            subparsers.add_parser(name)
            continue
        module = cast(CommandModule, import_module(path))
        child = subparsers.add_parser(
            name, help=module.HELP, description=module.HELP, parents=[common], allow_abbrev=False
        )
        module.add_arguments(child)
        child.set_defaults(run=module.run)
    return parser


def all_options(parser: argparse.ArgumentParser) -> set[str]:
    """Options of a parser and of all commands below it, without dashes."""
    below = [all_options(child) for child in subparsers_of(parser).values()]
    return set(options_of(parser)).union(*below)


def with_file_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """The arguments with the options of `kinecast.toml` before those of the command line.

    Raises:
        ConfigError: a file cannot be read, or names no option.
    """
    leaf, commands, n_read = parser, [], 0
    for k, word in enumerate(arguments):
        if word in subparsers_of(leaf):
            leaf, n_read = subparsers_of(leaf)[word], k + 1
            commands.append(word)
    files = [] if {"doctor", "-h", "--help"} & {*commands[:1], *arguments} or not commands else config_files()
    keys = {key for file in files for key, value in file.content.items() if not isinstance(value, dict)}
    common = all_options(parser) if keys <= set(options_of(leaf)) else all_options(build_parser([]))
    found = [setting for file in files for setting in settings_for(file, commands, parser, common)]
    settings = without_overruled(found, arguments[n_read:], leaf)
    words = [word for setting in settings for word in setting.words]
    if words:
        places = dict.fromkeys(str(setting.path) for setting in settings)
        said = without_secrets(" ".join(words), words)
        print(f"kinecast: options of {' and '.join(places)}: {said}", file=sys.stderr)
    return [*arguments[:n_read], *words, *arguments[n_read:]]


def _run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: Words of the command line; those of `kinecast.toml` are put among them.
    """
    parser = build_parser(arguments)
    typed = list(arguments)
    arguments[:] = with_file_options(parser, typed)
    args = parser.parse_args(arguments)
    args.words = typed
    level = logging.DEBUG if args.debug else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[ConsoleHandler()])
    logging.getLogger("numba").setLevel(logging.WARNING)  # numba logs every compiled instruction at DEBUG
    code = args.run(args)
    sys.stdout.flush()
    return int(code)


def _report(error: Exception, arguments: Sequence[str]) -> int:
    refusals = tuple(getattr(import_module(module), name) for module, name in REFUSALS.items())
    said = one_line(without_secrets(str(error), arguments))
    if isinstance(error, refusals):
        print(f"kinecast: {said}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
    said = said or "no details"
    print(f"kinecast: {type(error).__name__}: {said} (add --debug for the traceback)", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
