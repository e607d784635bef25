"""`kinecast.toml`: options of the command line that need not be typed.

```toml
height = 1.75              # for every command that has --height
[live]
source = "1"
show = ["knee_angle", "hip_flexion"]
no-window = true
[calibrate.camera]
square-m = 0.028
```

The project's file is the nearest one in the working folder and those above it; the user's file lies in the
folder for settings (`~/.config/kinecast` on Linux). The project's options come before the user's, those of a
command before those of all, and the command line before both. Paths begin at the file's folder.
"""

from __future__ import annotations

import argparse
import difflib
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import RealtimeError

FILE_NAME = "kinecast.toml"
Value = str | int | float | bool
NEVER = ("help", "version", "debug")
"""Options that a file cannot give."""


class ConfigError(RealtimeError):
    """A `kinecast.toml` that cannot be read, or names no option."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file."""

    path: Path
    content: dict[str, object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One option of a file that applies to a command."""

    path: Path
    """File that gives it."""
    words: tuple[str, ...]
    """Words of a command line that say the same."""
    action: argparse.Action


def config_paths() -> tuple[Path, Path]:
    """Path of the project's file, or where it would be, and of the user's."""
    from platformdirs import user_config_path

    folder = Path.cwd()
    found = next((p / FILE_NAME for p in (folder, *folder.parents) if (p / FILE_NAME).is_file()), None)
    return found or folder / FILE_NAME, user_config_path("kinecast", appauthor=False) / FILE_NAME


def config_files() -> list[ConfigFile]:
    """The files that exist, the one that comes first at the end.

    Raises:
        ConfigError: a file cannot be read.
    """
    project, user = config_paths()
    return [_read(path) for path in dict.fromkeys((user, project)) if path.is_file()]


def _read(path: Path) -> ConfigFile:
    try:
        return ConfigFile(path, tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); mend or remove it", value=path) from error


def settings_for(
    file: ConfigFile, commands: Sequence[str], parser: argparse.ArgumentParser, common: Collection[str]
) -> Iterator[Setting]:
    """Settings of a file that apply to a command, those that come first at the end.

    Args:
        file: File from `config_files`.
        commands: Words that name the command, such as ("calibrate", "camera").
        parser: Parser of all commands.
        common: Options that some command has, without dashes.

    Raises:
        ConfigError: a name is no option or command, or a value is of the wrong kind.
    """
    leaf = parser
    for word in commands:
        leaf = subparsers_of(leaf)[word]
    actions = options_of(leaf)
    for key, value in file.content.items():
        if not isinstance(value, dict) and key in actions:
            yield _setting(file.path, actions[key], key, value)
        elif not isinstance(value, dict) and key not in common:
            raise _unknown(file.path, key, common, "option of any command")
        elif isinstance(value, dict) and key not in subparsers_of(parser):
            raise _unknown(file.path, f"[{key}]", subparsers_of(parser), "command")
    table: object = file.content
    leaf = parser
    for word in commands:
        table, leaf = table.get(word, {}) if isinstance(table, dict) else {}, subparsers_of(leaf)[word]
        assert isinstance(table, dict)
        yield from _settings_of(file.path, table, leaf)


def check_file(file: ConfigFile, parser: argparse.ArgumentParser, common: Collection[str]) -> None:
    """Refuse a file that names anything that is no option, of whatever command.

    Raises:
        ConfigError: as for `settings_for`.
    """
    list(settings_for(file, (), parser, common))
    waiting = [(file.content.get(word), sub) for word, sub in subparsers_of(parser).items()]
    while waiting:
        table, leaf = waiting.pop()
        if isinstance(table, dict):
            list(_settings_of(file.path, table, leaf))
            waiting += [(table.get(word), sub) for word, sub in subparsers_of(leaf).items()]


def _settings_of(path: Path, table: dict[str, object], leaf: argparse.ArgumentParser) -> Iterator[Setting]:
    """Settings of one command's table."""
    actions, below = options_of(leaf), subparsers_of(leaf)
    for key, value in table.items():
        if key in actions:
            yield _setting(path, actions[key], key, value)
        elif key not in below or not isinstance(value, dict):
            raise _unknown(path, key, [*actions, *below], f"option of {leaf.prog}")


def subparsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Word -> parser of the command that it names."""
    found = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(next((action.choices for action in found), {}))


def options_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Option without its dashes -> what it does."""
    found = {}
    for action in parser._actions:
        for option in action.option_strings:
            if option.startswith("--") and option[2:] not in NEVER:
                found[option[2:]] = action
    return found


def without_overruled(
    settings: Iterable[Setting], words: Sequence[str], leaf: argparse.ArgumentParser
) -> list[Setting]:
    """Settings without those that the command line, or a later setting, gives in its own way.

    Args:
        settings: Settings, those that come first at the end.
        words: Words of the command line.
        leaf: Parser of the command.
    """
    given = {word.partition("=")[0] for word in words}
    taken = {a.dest for a in leaf._actions if given & set(a.option_strings)}
    kept: list[Setting] = []
    for setting in reversed(list(settings)):
        rivals = {setting.action.dest}
        for group in leaf._mutually_exclusive_groups:
            if setting.action in group._group_actions:
                rivals |= {action.dest for action in group._group_actions}
        if not rivals & taken:
            kept.append(setting)
        taken |= rivals
    return kept[::-1]


def _setting(path: Path, action: argparse.Action, key: str, value: object) -> Setting:
    """A value as the words of a command line.

    Raises:
        ConfigError: the value is of the wrong kind.
    """
    option = f"--{key}"
    if action.nargs == 0:  # a switch
        if not isinstance(value, bool):
            raise ConfigError(f"{path}: {key} = {value!r}; accepted: true, false", name=key, value=value)
        return Setting(path, (option,) if value else (), action)
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(v, bool) or not isinstance(v, str | int | float) for v in values):
        raise ConfigError(
            f"{path}: {key} = {value!r}; accepted: a text, a number, or a list of them", name=key, value=value
        )
    texts = [str(path.parent / Path(str(v)).expanduser()) if action.type is Path else str(v) for v in values]
    if action.nargs in ("+", "*") or isinstance(action.nargs, int):
        return Setting(path, (option, *texts), action)
    if isinstance(action, argparse._AppendAction):
        return Setting(path, tuple(f"{option}={text}" for text in texts), action)
    return Setting(path, (f"{option}={','.join(texts)}",), action)


def _unknown(path: Path, key: str, known: Iterable[str], what: str) -> ConfigError:
    known = sorted(known)
    near = difflib.get_close_matches(key.strip("[]"), known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else f"; accepted: {', '.join(known)}"
    return ConfigError(f"{path}: {key} is no {what}{hint}", name=key, value=key, accepted=known)
