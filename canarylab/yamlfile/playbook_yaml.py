"""YAML with line numbers, and no more of YAML than a playbook needs.

Scalars mean what YAML 1.2's core schema says, so that `on`, `no` or `12:30` is text. What could surprise is refused:
keys given twice (PyYAML would silently take the last), anchors, aliases, merge keys, tags, several documents.
The parser's events are read in one pass without recursion, so no nesting, however deep, can exhaust the stack. PyYAML's
composer would do with no fewer lines: its nodes know neither anchors, nor how far it came where a text isn't YAML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from canarylab.errors import PlaybookError
from canarylab.yamlfile.kubernetes_yaml import LOADER
from canarylab.yamlfile.problems import Place, problem, short, short_repr

MAX_DEPTH = 32
"""How deep lists and mappings may stand in each other."""

_ENDS_NESTING = "exceeded maximum nesting depth"
"""The parser in C, from PyYAML 6.0.4 on, says so while it looks ahead. The one in Python gets as far as MAX_DEPTH."""

_NOT_IN_YAML = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Found(NamedTuple):
    """What stands at a place. `line` counts from 1, a mapping's value has its key's; `text` is a scalar as written."""

    line: int
    value: Any
    text: str = ""

    def describe(self) -> str:
        """The value in words, for "expected this, found that"."""
        if isinstance(self.value, str):
            return f"the text {short_repr(self.value)}"
        if isinstance(self.value, bool):
            return self.text
        return _NAMES.get(type(self.value)) or f"the number {short(self.text)}"


_NAMES = {dict: "a mapping", list: "a list", type(None): "nothing"}

Tree = Mapping[Place, Found]
"""Everything in a file by its place: under () the whole."""


def parse(text: str, file: Path, parser: Any = LOADER) -> Tree:
    """What a playbook's text holds. Raises PlaybookError; `file` is only for its words.

    `parser` is a loader of PyYAML: the one in C unless another is given or PyYAML was built without it.
    """
    if strange := _NOT_IN_YAML.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        what = f"isn't text: it holds the control character {strange[0]!r}"
        raise problem(file, line, (), what, "delete that character, or name a playbook")
    reader = _Reader(file)
    try:
        for event in yaml.parse(text, parser):
            reader.take(event)
    except yaml.YAMLError as error:
        if _ENDS_NESTING in str(error) and parser is not yaml.SafeLoader:
            return parse(text, file, yaml.SafeLoader)
        raise _not_yaml(error, text, file, reader.place) from error
    if () not in reader.tree or reader.tree[()].value is None:
        raise problem(file, 1, (), "is empty", "write a playbook into it; playbooks/README.md shows one")
    _refuse_manifest(reader.tree, file)
    return reader.tree


def _refuse_manifest(tree: Tree, file: Path) -> None:
    """What is applied is easily taken for what applies it."""
    if {("apiVersion",), ("kind",)} <= tree.keys():
        what = "is a Kubernetes manifest, not a playbook"
        remedy = "name the playbook that has it as `path` of a stage of kind manifests"
        raise problem(file, tree[("apiVersion",)].line, (), what, remedy)


def _scalar(text: str) -> str | int | float | bool | None:
    """A plain scalar's meaning. A number that wouldn't survive as one, such as 007 or 1e999, stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if not _NUMBER.fullmatch(text):
        return text
    if text.lstrip("-+").isdigit():
        return int(text) if _INTEGER.fullmatch(text) else text
    return number if math.isfinite(number := float(text)) else text


class _Reader:
    """Fills the tree from the parser's events."""

    def __init__(self, file: Path) -> None:
        self.tree: dict[Place, Found] = {}
        self._file = file
        self._open: list[Any] = []
        """The lists and mappings whose ends haven't come yet."""
        self._way: list[Any] = []
        """For each of these: where in it the next value stands. None: a key comes next."""
        self._key_line = 0

    @property
    def place(self) -> Place:
        """Where the next event belongs."""
        return tuple(part for part in self._way if part is not None)

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        self._refuse_what_surprises(event, line)
        match event:
            case yaml.ScalarEvent():
                value = _scalar(event.value) if event.implicit[0] else event.value
                if self._way and self._way[-1] is None:
                    self._take_key(event, value, line)
                    return
                self._put(value, line, event.value)
            case yaml.CollectionStartEvent():
                content: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                self._put(content, line)
                self._open.append(content)
                self._way.append(0 if content == [] else None)
                return
            case yaml.CollectionEndEvent():
                self._open.pop()
                self._way.pop()
            case _:
                return
        if self._way:
            self._way[-1] = self._way[-1] + 1 if isinstance(self._way[-1], int) else None

    def _put(self, value: Any, line: int, text: str = "") -> None:
        self.tree[tuple(self._way)] = Found(self._key_line or line, value, text)
        self._key_line = 0
        if self._open and isinstance(self._open[-1], list):
            self._open[-1].append(value)
        elif self._open:
            self._open[-1][self._way[-1]] = value

    def _refuse_what_surprises(self, event: Any, line: int) -> None:
        what, remedy = "", "write the value out; a text that begins with *, & or ! needs quotes"
        if isinstance(event, yaml.DocumentStartEvent) and self.tree:
            _refuse_manifest(self.tree, self._file)
            what, remedy = "a second document begins here", "keep one playbook a file; `---` begins another"
        elif anchor := getattr(event, "anchor", None):
            found = ("*", "an alias") if isinstance(event, yaml.AliasEvent) else ("&", "an anchor")
            what = f"{found[0]}{short(anchor)} is {found[1]} of YAML, which playbooks don't have"
        elif tag := getattr(event, "tag", None):
            what = f"{short_repr(tag)} is a tag of YAML, which playbooks don't have"
        elif isinstance(event, yaml.CollectionStartEvent) and self._way and self._way[-1] is None:
            what, remedy = "a list or mapping can't be a key", "quote a text that begins with [ or {"
        elif isinstance(event, yaml.CollectionStartEvent) and len(self._way) == MAX_DEPTH:
            what, remedy = f"is nested more than {MAX_DEPTH} levels deep", "nest it less deeply"
        if what:
            raise problem(self._file, line, self.place, what, remedy)

    def _take_key(self, event: Any, value: Any, line: int) -> None:
        key = event.value
        first = self.tree.get((*self._way[:-1], key))
        if not isinstance(value, str):
            what, remedy = f"the key {short_repr(key)} isn't text", f'quote it: "{short(key)}"'
        elif event.implicit[0] and key == "<<":
            what, remedy = "YAML's merge key << isn't supported in playbooks", "write the keys out"
        else:
            self._way[-1], self._key_line = key, line
            if not first:
                return
            what, remedy = f"appears twice; first in line {first.line}", "delete or rename one of them"
        raise problem(self._file, line, self.place, what, remedy)


_SYNTAX = (
    "look there for an unmatched bracket or quote, or wrong indentation; "
    "a value that contains `: ` or ` #`, or begins with one of * & ! | > % @ ` { [, needs quotes"
)


def _not_yaml(error: yaml.YAMLError, text: str, file: Path, place: Place) -> PlaybookError:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return problem(file, 1, place, "isn't YAML", _SYNTAX, why=" ".join(str(error).split()))
    lines = text.splitlines()
    line = max(1, min(error.problem_mark.line + 1, len(lines)))
    if _tab_at(lines[line - 1 : line], error.problem_mark.column):
        return problem(file, line, place, "tabs aren't allowed here", "indent with spaces")
    if error.context == "while scanning an alias":
        return problem(
            file, line, place, "a value that begins with * needs quotes", 'quote it, such as "*.example.com"'
        )
    if str(error.problem).startswith("mapping values are not allowed"):
        remedy = "quote the value if it contains `: `, or fix the indentation"
        return problem(file, line, (*place, *_key_in(lines[line - 1])), f"isn't YAML: {error.problem}", remedy)
    why = f"{error.context}, which begins in line {error.context_mark.line + 1}" if error.context_mark else None
    return problem(file, line, place, f"isn't YAML: {error.problem}", _SYNTAX, why=why)


def _key_in(line: str) -> Place:
    """The key that a line begins with. The parser looks ahead, so it stumbles before it has handed over the key."""
    key = re.match(r"\s*(?:- )*([\w-]+):\s", line)
    return (key[1],) if key else ()


def _tab_at(lines: list[str], column: int) -> bool:
    """Whether a tab is in the line's indentation or at the column."""
    return any("\t" in line[: len(line) - len(line.lstrip())] or line[column : column + 1] == "\t" for line in lines)
