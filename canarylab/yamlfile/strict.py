"""YAML with line numbers, and no more of YAML than a playbook needs.

Scalars mean what YAML 1.2's core schema says, so that `on`, `no` or `12:30` is text. What could surprise is refused:
keys given twice (PyYAML would silently take the last), anchors, aliases, merge keys, tags, several documents.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from canarylab.errors import PlaybookError
from canarylab.yamlfile.problems import Place, problem, short, shown
from canarylab.yamlfile.reader import LOADER

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
            return f"the text {shown(self.value)}"
        if isinstance(self.value, bool):
            return self.text
        return _NAMES.get(type(self.value)) or f"the number {short(self.text)}"


_NAMES = {dict: "a mapping", list: "a list", type(None): "nothing"}

Tree = Mapping[Place, Found]
"""Everything in a file by its place: under () the whole."""


def parse(text: str, file: Path, parser: Any = LOADER) -> Tree:
    """What a playbook's text holds. Raises PlaybookError; `file` is only for its words.

    `parser` is a loader of PyYAML: the one in C unless told otherwise or PyYAML was built without it.
    """
    if strange := _NOT_IN_YAML.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        what = f"isn't text: it holds the control character {strange[0]!r}"
        raise problem(file, line, (), what, "delete that character, or name a playbook")
    reader = _Reader(text.lstrip("\ufeff"), file)
    try:
        root = yaml.compose(reader.text, _shallow(parser))
    except yaml.YAMLError as error:
        if _ENDS_NESTING in str(error) and parser is not yaml.SafeLoader:
            return parse(text, file, yaml.SafeLoader)
        raise reader.explained(error, parser) from error
    if root is None or reader.value(root, (), root.start_mark.line + 1) is None:
        raise problem(file, 1, (), "is empty", "write a playbook into it; playbooks/README.md shows one")
    return reader.tree


@functools.cache
def _shallow(parser: Any) -> Any:
    """The same loader, for nodes that have no tag but one of their own, no deeper than a playbook may go."""

    class Shallow(parser):  # type: ignore[misc]  # the base is chosen at run time
        _depth = 0

        def descend_resolver(self, _parent: yaml.Node | None, _index: object) -> None:
            self._depth += 1
            if self._depth > MAX_DEPTH + 1:  # the scalars in the deepest list that is allowed
                raise yaml.YAMLError(_TOO_DEEP)

        def ascend_resolver(self) -> None:
            self._depth -= 1

        def resolve(self, _kind: type[yaml.Node], _value: str | None, _implicit: object) -> str:
            return ""

    return Shallow


_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"


def _scalar(text: str) -> str | int | float | bool | None:
    """A plain scalar's meaning. A number that wouldn't survive as one, such as 007 or 1e999, stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if not _NUMBER.fullmatch(text):
        return text
    if text.lstrip("-+").isdigit():
        return int(text) if _INTEGER.fullmatch(text) else text
    return number if math.isfinite(number := float(text)) else text


_NAME = re.compile(r"&[\w-]*")


class _Reader:
    """Makes values of what PyYAML has composed, and words of what it couldn't."""

    def __init__(self, text: str, file: Path) -> None:
        self.text = text
        self.tree: dict[Place, Found] = {}
        self._file = file

    def value(self, node: yaml.Node, place: Place, line: int) -> Any:
        """A node's value; what it holds is in the tree then, too."""
        self._refuse_marks(node, place)
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = node.value if node.style else _scalar(node.value)
            self.tree[place] = Found(line, value, node.value)
            return value
        if len(place) == MAX_DEPTH:
            raise self._too_deep(node.start_mark, place)
        if isinstance(node, yaml.SequenceNode):
            value = [self.value(each, (*place, n), each.start_mark.line + 1) for n, each in enumerate(node.value)]
        else:
            value = {}
            for key, each in node.value:
                self._check_key(key, place)
                value[key.value] = self.value(each, (*place, key.value), key.start_mark.line + 1)
        self.tree[place] = Found(line, value)
        return value

    def _check_key(self, key: yaml.Node, place: Place) -> None:
        self._refuse_marks(key, place)
        text = key.value
        if not isinstance(key, yaml.ScalarNode):
            what, remedy = "a list or mapping can't be a key", "quote a text that begins with [ or {"
        elif not key.style and not isinstance(_scalar(text), str):
            what, remedy = f"the key {shown(text)} isn't text", f'quote it: "{short(text)}"'
        elif not key.style and text == "<<":
            what, remedy = "<< merges mappings in YAML, which playbooks don't have", "write the keys out"
        elif first := self.tree.get((*place, text)):
            place = (*place, text)
            what, remedy = f"is here for the second time; first in line {first.line}", "delete or rename one of them"
        else:
            return
        raise self._problem(key.start_mark, place, what, remedy)

    def _refuse_marks(self, node: yaml.Node, place: Place) -> None:
        if anchor := _NAME.match(self.text, node.start_mark.index):  # a node doesn't tell that it has one
            raise self._unwanted(node.start_mark, place, f"{short(anchor[0])} is an anchor")
        if node.tag:
            raise self._unwanted(node.start_mark, place, f"{shown(node.tag)} is a tag")

    def explained(self, error: yaml.YAMLError, parser: Any) -> PlaybookError:
        """The problem behind an error of the composer. The parser's events tell its place; nodes there are none yet."""
        way: list[str | int | None] = []
        documents = 0
        try:
            for event in yaml.parse(self.text, parser):
                mark, place = event.start_mark, _place(way)
                documents += isinstance(event, yaml.DocumentStartEvent)
                if documents > 1:
                    remedy = "keep one playbook a file; `---` begins another"
                    return self._problem(mark, (), "a second document begins here", remedy)
                if name := getattr(event, "anchor", None):
                    alias = isinstance(event, yaml.AliasEvent)
                    return self._unwanted(
                        mark, place, f"*{short(name)} is an alias" if alias else f"&{short(name)} is an anchor"
                    )
                if isinstance(event, yaml.CollectionStartEvent):
                    if len(way) == MAX_DEPTH:
                        return self._too_deep(mark, place)
                    way.append(0 if isinstance(event, yaml.SequenceStartEvent) else None)
                    continue
                if isinstance(event, yaml.CollectionEndEvent):
                    way.pop()
                elif not isinstance(event, yaml.NodeEvent):
                    continue
                if way:  # a key comes before each value, and after it the next key
                    last = way[-1]
                    way[-1] = (
                        last + 1 if isinstance(last, int) else getattr(event, "value", "?") if last is None else None
                    )
        except yaml.YAMLError as found:
            error = found
        return _not_yaml(error, self.text, self._file, _place(way))

    def _unwanted(self, mark: Any, place: Place, found: str) -> PlaybookError:
        remedy = "write the value out; a text that begins with *, & or ! needs quotes"
        return self._problem(mark, place, f"{found} of YAML, which playbooks don't have", remedy)

    def _too_deep(self, mark: Any, place: Place) -> PlaybookError:
        return self._problem(mark, place, _TOO_DEEP, "write it flatter")

    def _problem(self, mark: Any, place: Place, what: str, remedy: str) -> PlaybookError:
        return problem(self._file, mark.line + 1, place, what, remedy)


def _place(way: list[str | int | None]) -> Place:
    return tuple(part for part in way if part is not None)


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
