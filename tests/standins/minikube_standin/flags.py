"""Command lines as minikube (cobra, pflag) reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .errors import StandinError

_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


class UsageError(Exception):
    """What cobra refuses before a command runs: two lines on stderr, exit 14 (recorded)."""


@dataclass(frozen=True)
class Flag:
    """One flag. `short` is its letter. A flag that minikube has and the stand-in doesn't is `untaught`."""

    kind: Literal["bool", "value", "list", "untaught"]
    short: str = ""


@dataclass
class Parsed:
    """The flags that were given, the words, and what came after `--`."""

    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def on(self, name: str, default: bool = False) -> bool:
        return self.values.get(name, str(default).lower()) == "true"

    def given(self, name: str) -> bool:
        return name in self.values or name in self.lists


GLOBAL = {
    "profile": Flag("value", "p"),
    "alsologtostderr": Flag("bool"),
    "v": Flag("value", "v"),
    "user": Flag("value"),
    "rootless": Flag("untaught"),
    "bootstrapper": Flag("untaught", "b"),
    "skip-audit": Flag("bool"),
    "help": Flag("untaught", "h"),
}


def parse(words: Sequence[str], flags: Mapping[str, Flag], command: str) -> Parsed:
    """Read the words after the command's name. Raises UsageError as cobra, StandinError for what isn't taught."""
    known = {**GLOBAL, **flags}
    letters = {flag.short: name for name, flag in known.items() if flag.short}
    parsed = Parsed()
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            parsed.rest = queue
            break
        if word == "-" or not word.startswith("-"):
            parsed.words.append(word)
            continue
        name, value = _name(word, letters, command)
        if name not in known:
            raise UsageError(f"Error: unknown flag: --{name}\nSee 'minikube {command} --help' for usage.")
        kind = known[name].kind
        if kind == "untaught":
            raise StandinError(f"minikube {command} --{name}: the stand-in doesn't know what it does")
        if kind == "bool":
            parsed.values[name] = _bool(name, "true" if value is None else value, command)
            continue
        if value is None:
            if not queue:
                raise UsageError(f"Error: flag needs an argument: {word}\nSee 'minikube {command} --help' for usage.")
            value = queue.pop(0)
        if kind == "list":
            parsed.lists.setdefault(name, []).append(value)
        else:
            parsed.values[name] = value
    return parsed


def _name(word: str, letters: Mapping[str, str], command: str) -> tuple[str, str | None]:
    """The flag's long name, and its value where that is part of the word."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name, value if equals else None
    letter, value = word[1], word[2:]
    if letter not in letters:
        raise UsageError(
            f"Error: unknown shorthand flag: '{letter}' in {word}\nSee 'minikube {command} --help' for usage."
        )
    return letters[letter], value.removeprefix("=") or None


def _bool(name: str, value: str, command: str) -> str:
    if value not in _TRUE + _FALSE:
        raise UsageError(
            f'Error: invalid argument "{value}" for "--{name}" flag: strconv.ParseBool: parsing "{value}": '
            f"invalid syntax\nSee 'minikube {command} --help' for usage."
        )
    return "true" if value in _TRUE else "false"
