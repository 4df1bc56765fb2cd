"""A playbook's file as a tree with lines, and the wording of what pydantic finds wrong in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from canarylab.errors import PlaybookError
from canarylab.yamlfile.marks import Node
from canarylab.yamlfile.problems import Place, choose, located, problem, short

ModelT = TypeVar("ModelT", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
"""Pydantic's types of errors, for which a playbook's author needs other words than a Python programmer."""


@dataclass(frozen=True)
class Document:
    """A file and its tree."""

    file: Path
    root: Node

    def problem(self, place: Place, what: str, remedy: str, *, why: str | None = None) -> PlaybookError:
        """The error for something wrong at a place. Where the place isn't there, the line is that of what is above."""
        return problem(self.file, self._deepest(place).line, place, what, remedy, why=why)

    def at(self, place: Place) -> str:
        """FILE:LINE of a place."""
        return located(self.file, self._deepest(place).line)

    def validate(self, model: type[ModelT], place: Place, values: Any, also: Iterable[str] = ()) -> ModelT:
        """The model made of the values that stand at a place. Raises PlaybookError for the first that is wrong.

        `also` are keys that may stand there too, but are not the model's.
        """
        try:
            return model.model_validate(values)
        except ValidationError as error:
            raise self._first(error, model, place, also) from error

    def _first(
        self, error: ValidationError, model: type[BaseModel], place: Place, also: Iterable[str]
    ) -> PlaybookError:
        """The problem to report: the first in the file; what is missing comes last, as it may only be misspelt.

        A union gives several for one place: one for each member.
        """
        found = [(self._place(place, details), details) for details in error.errors(include_url=False)]
        first, _ = min(found, key=lambda each: (each[1]["type"] == "missing", self._deepest(each[0]).line))
        there = [details for at, details in found if at == first]
        above, key = _model_at(model, first[len(place) : -1]), str(first[-1]) if first else ""
        field = _fields(above).get(key)
        match there[0]["type"]:
            case "extra_forbidden":
                known = [*_fields(above), *(also if len(first) == len(place) + 1 else ())]
                return self.problem(first, "is an unknown key", choose(key, known))
            case "missing":
                return self.problem(first, "is missing", f"add `{key}: ...`{_meaning(field)}")
            case "string_type" if isinstance(self._deepest(first).value, int | float):
                return self._unquoted(first)
        remedy = _remedy(there[0]["type"], self._deepest(first)) + _meaning(field)
        return self.problem(first, _wrong(there, self._deepest(first)), remedy)

    def _unquoted(self, place: Place) -> PlaybookError:
        node = self._deepest(place)
        key, text = (f"{place[-1]}: " if isinstance(place[-1], str) else ""), short(node.text)
        why = f"YAML takes {text} without quotes for {'a yes or no' if isinstance(node.value, bool) else 'a number'}"
        return self.problem(place, f"expected text, found {node.describe()}", f'quote it: {key}"{text}"', why=why)

    def _place(self, base: Place, details: ErrorDetails) -> Place:
        """Pydantic's location as a place of the file: a missing key isn't there, nor is a union's member."""
        loc = details["loc"]
        missing = loc[-1:] if details["type"] == "missing" else ()
        place, node = base, self._deepest(base)
        for part in loc[: len(loc) - len(missing)]:
            if child := node.child(part):
                place, node = (*place, part), child
        return (*place, *missing)

    def _deepest(self, place: Place) -> Node:
        node = self.root
        for part in place:
            child = node.child(part)
            if child is None:
                break
            node = child
        return node


def _wrong(found: list[ErrorDetails], node: Node) -> str:
    if found[0]["type"] in ("too_short", "too_long"):
        return _length(found[0])
    wordings = " or ".join(dict.fromkeys(_wording(details) for details in found)).replace(" or expected ", " or ")
    is_own_rule = found[0]["type"] == "value_error" and isinstance(node.value, dict | list)
    return wordings if is_own_rule else f"{wordings}, found {node.describe()}"


def _remedy(error_type: str, node: Node) -> str:
    if node.value is None:
        return "give it a value"
    if error_type in ("too_short", "too_long"):
        return "list more of them" if error_type == "too_short" else "list fewer of them"
    if error_type in ("list_type", "tuple_type") and isinstance(node.value, str):
        return f"put it in brackets: [{short(node.text)}]"
    if error_type in ("dict_type", "model_type"):
        return "write a mapping there, such as {key: value}; playbooks/README.md explains the format"
    return "correct it"


def _wording(details: ErrorDetails) -> str:
    if expected := _EXPECTED.get(details["type"]):
        return f"expected {expected}"
    if details["type"] in ("value_error", "assertion_error"):
        return " ".join(str(details["ctx"]["error"]).split())
    if details["type"] in ("literal_error", "enum"):
        return f"expected {details['ctx']['expected']}"
    return re.sub(r"^\w+ should ", "should ", details["msg"])


def _length(details: ErrorDetails) -> str:
    """What is wrong with a list that has to be longer or shorter."""
    context = details["ctx"]
    least, most = context.get("min_length"), context.get("max_length")
    limit = f"at least {least}" if least is not None else f"at most {most}"
    number = least if least is not None else most
    return f"expected {limit} {'entry' if number == 1 else 'entries'}, found {context['actual_length'] or 'none'}"


def _meaning(field: FieldInfo | None) -> str:
    return f" ({field.description})" if field and field.description else ""


def _model_at(model: type[BaseModel] | None, inside: Place) -> type[BaseModel] | None:
    """The model of what stands inside a model, as far as the annotations of its fields tell."""
    for part in inside:
        if field := _fields(model).get(str(part)):
            model = next(_models(field.annotation), None)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """By the name that a playbook uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()} if model else {}
