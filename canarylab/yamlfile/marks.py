"""YAML with line numbers: a tree of nodes that know where they stand, and no more of YAML than a playbook needs.

Scalars mean what YAML 1.2's core schema says, so that `on`, `no` or `12:30` is text. What could surprise is refused:
keys given twice (PyYAML would silently take the last), anchors, aliases, merge keys, tags, several documents.
The parser's events are read in one pass without recursion, so no nesting, however deep, can exhaust the stack.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from canarylab.errors import PlaybookError
from canarylab.yamlfile.fast import LOADER
from canarylab.yamlfile.problems import Place, problem, short, shown

MAX_DEPTH = 32
"""How deep lists and mappings may stand in each other."""

_ENDS_NESTING = "exceeded maximum nesting depth"
"""The parser in C, from PyYAML 6.0.4 on, says so while it looks ahead. The one in Python gets as far as MAX_DEPTH."""

_NOT_IN_YAML = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file. `line` counts from 1, a mapping's value has its key's; `text` is a scalar as written."""

    line: int
    value: Scalar | dict[str, Node] | list[Node]
    text: str = ""

    def plain(self) -> Any:
        """The value without its marks."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, part: str | int) -> Node | None:
        """What stands under a key or at a position, if anything does."""
        if isinstance(self.value, dict) and isinstance(part, str):
            return self.value.get(part)
        if isinstance(self.value, list) and isinstance(part, int) and 0 <= part < len(self.value):
            return self.value[part]
        return None

    def describe(self) -> str:
        """The value in words, for "expected this, found that"."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if isinstance(self.value, str):
            return f"the text {shown(self.value)}"
        if self.value is None:
            return "nothing"
        return self.text if isinstance(self.value, bool) else f"the number {short(self.text)}"


def parse(text: str, file: Path, parser: Any = LOADER) -> Node:
    """The tree of a playbook's text. Raises PlaybookError; `file` is only for its words.

    `parser` is a loader of PyYAML: the one in C unless told otherwise or PyYAML was built without it.
    """
    if strange := _NOT_IN_YAML.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        what = f"isn't text: it holds the control character {strange[0]!r}"
        raise problem(file, line, (), what, "delete that character, or name a playbook")
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=parser):
            builder.take(event)
    except yaml.YAMLError as error:
        if _ENDS_NESTING in str(error) and parser is not yaml.SafeLoader:
            return parse(text, file, yaml.SafeLoader)
        raise _not_yaml(error, text, file, builder.place) from error
    if builder.root is None or builder.root.value is None:
        raise problem(file, 1, (), "is empty", "write a playbook into it; playbooks/README.md shows one")
    return builder.root


def _scalar(text: str) -> Scalar:
    """A plain scalar's meaning. A number that wouldn't survive as one, such as 007 or 1e999, stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not text.lstrip("-+").isdigit() and math.isfinite(number := float(text)):
        return number
    return text


@dataclass
class _OpenList:
    """A list whose end hasn't come yet."""

    line: int
    content: list[Node] = field(default_factory=list)

    @property
    def next(self) -> Place:
        return (len(self.content),)

    def add(self, node: Node) -> None:
        self.content.append(node)


@dataclass
class _OpenMapping:
    """A mapping whose end hasn't come yet. `key` is the one whose value comes next; None: a key comes next."""

    line: int
    content: dict[str, Node] = field(default_factory=dict)
    key: str | None = None
    key_line: int = 0

    @property
    def next(self) -> Place:
        return () if self.key is None else (self.key,)

    def add(self, node: Node) -> None:
        assert self.key is not None  # the builder takes a key before it adds its value
        self.content[self.key] = Node(self.key_line, node.value, node.text)
        self.key = None


class _Builder:
    """Puts the tree together from the parser's events."""

    def __init__(self, file: Path) -> None:
        self.root: Node | None = None
        self._file = file
        self._open: list[_OpenList | _OpenMapping] = []

    @property
    def place(self) -> Place:
        """Where the next event belongs."""
        return tuple(part for level in self._open for part in level.next)

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        self._refuse_what_surprises(event, line)
        match event:
            case yaml.ScalarEvent() if mapping := self._awaiting_key():
                self._take_key(mapping, event, line)
            case yaml.ScalarEvent():
                self._add(Node(line, _scalar(event.value) if event.implicit[0] else event.value, event.value))
            case yaml.MappingStartEvent():
                self._begin(_OpenMapping(line))
            case yaml.SequenceStartEvent():
                self._begin(_OpenList(line))
            case yaml.CollectionEndEvent():
                ended = self._open.pop()
                self._add(Node(ended.line, ended.content))

    def _awaiting_key(self) -> _OpenMapping | None:
        level = self._open[-1] if self._open else None
        return level if isinstance(level, _OpenMapping) and level.key is None else None

    def _refuse_what_surprises(self, event: Any, line: int) -> None:
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise self._problem(line, "a second document begins here", "keep one playbook a file; `---` begins another")
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor and isinstance(event, yaml.AliasEvent):
            found = f"*{short(anchor)} is an alias"
        elif anchor:
            found = f"&{short(anchor)} is an anchor"
        elif tag:
            found = f"{shown(tag)} is a tag"
        else:
            return
        remedy = "write the value out; a text that begins with *, & or ! needs quotes"
        raise self._problem(line, f"{found} of YAML, which playbooks don't have", remedy)

    def _take_key(self, mapping: _OpenMapping, event: Any, line: int) -> None:
        key = event.value
        if event.implicit[0] and not isinstance(_scalar(key), str):
            raise self._problem(line, f"the key {shown(key)} isn't text", f'quote it: "{short(key)}"')
        if event.implicit[0] and key == "<<":
            raise self._problem(line, "<< merges mappings in YAML, which playbooks don't have", "write the keys out")
        mapping.key, mapping.key_line = key, line
        if first := mapping.content.get(key):
            what = f"is here for the second time; first in line {first.line}"
            raise self._problem(line, what, "delete or rename one of them")

    def _begin(self, level: _OpenList | _OpenMapping) -> None:
        if self._awaiting_key():
            raise self._problem(level.line, "a list or mapping can't be a key", "quote a text that begins with [ or {")
        if len(self._open) == MAX_DEPTH:
            raise self._problem(level.line, f"is nested more than {MAX_DEPTH} levels deep", "write it flatter")
        self._open.append(level)

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1].add(node)
        else:
            self.root = node

    def _problem(self, line: int, what: str, remedy: str) -> PlaybookError:
        return problem(self._file, line, self.place, what, remedy)


_SYNTAX = (
    "look there for a bracket, a quote or an indentation that doesn't fit; "
    "a text that holds `: ` or ` #`, or begins with one of * & ! | > % @ ` { [, needs quotes"
)


def _not_yaml(error: yaml.YAMLError, text: str, file: Path, place: Place) -> PlaybookError:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return problem(file, 1, place, "isn't YAML", _SYNTAX, why=" ".join(str(error).split()))
    lines = text.splitlines()
    line = max(1, min(error.problem_mark.line + 1, len(lines)))
    if _tab_at(lines[line - 1 : line], error.problem_mark.column):
        return problem(file, line, place, "a tab stands where YAML takes only spaces", "indent by spaces")
    if error.context == "while scanning an alias":
        return problem(file, line, place, "a text begins with * and has no quotes", 'quote it, such as "*.example.com"')
    if str(error.problem).startswith("mapping values are not allowed"):
        remedy = "quote the value if it holds `: `, or mend the indentation"
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
