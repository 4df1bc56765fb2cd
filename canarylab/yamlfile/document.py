"""A playbook's file as a tree with lines, and the wording of what pydantic finds wrong in it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from canarylab.errors import PlaybookError
from canarylab.yamlfile.playbook_yaml import Found, Tree
from canarylab.yamlfile.problems import Place, did_you_mean, located, problem, short

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
    """A file, or what stands in it at a place. Whatever is asked for is looked for below that place.

    `digest` is the SHA-256 of the file's bytes, in hexadecimal.
    """

    file: Path
    tree: Tree
    digest: str = ""
    place: Place = ()

    @property
    def value(self) -> Any:
        """What stands here, as plain values."""
        return self.tree[self.place].value

    def below(self, *place: str | int) -> Document:
        """What stands at a place of this one."""
        return dataclasses.replace(self, place=(*self.place, *place))

    def problem(self, place: Place, what: str, remedy: str, *, why: str | None = None) -> PlaybookError:
        """The error for something wrong at a place. Where the place isn't there, the line is that of what is above."""
        return problem(self.file, self._found(place).line, (*self.place, *place), what, remedy, why=why)

    def at(self, *place: str | int) -> str:
        """FILE:LINE of a place."""
        return located(self.file, self._found(place).line)

    def validate(self, model: type[ModelT], values: Any, also: Iterable[str] = ()) -> ModelT:
        """The model made of the values that stand here. Raises PlaybookError for the first that is wrong.

        `also` are keys that may stand here too, but are not the model's.
        """
        try:
            return model.model_validate(values)
        except ValidationError as error:
            raise self._first(error, model, also) from error

    def _first(self, error: ValidationError, model: type[BaseModel], also: Iterable[str]) -> PlaybookError:
        """The problem to report: the first in the file; what is missing comes last, as it may only be misspelt.

        A union gives several for one place: one for each member.
        """
        found = [(self._place(details), details) for details in error.errors(include_url=False)]
        first, _ = min(found, key=lambda each: (each[1]["type"] == "missing", self._found(each[0]).line))
        there = [details for at, details in found if at == first]
        above, key = _model_at(model, first[:-1]), str(first[-1]) if first else ""
        field, here = _fields(above).get(key), self._found(first)
        why, wrong, remedy = None, _wrong(there, here), _remedy(there[0]["type"], here) + _meaning(field)
        match there[0]["type"]:
            case "extra_forbidden":
                known = [*_fields(above), *(also if len(first) == 1 else ())]
                wrong, remedy = "is an unknown key", did_you_mean(key, known)
            case "missing":
                wrong, remedy = "is missing", f"add `{key}: ...`{_meaning(field)}"
            case "string_type" if isinstance(here.value, int | float):
                text, meant = short(here.text), "a yes or no" if isinstance(here.value, bool) else "a number"
                wrong, why = f"expected text, found {here.describe()}", f"YAML takes {text} without quotes for {meant}"
                remedy = f'quote it: {f"{key}: " if isinstance(first[-1], str) else ""}"{text}"'
        return self.problem(first, wrong, remedy, why=why)

    def _place(self, details: ErrorDetails) -> Place:
        """Pydantic's location as a place from here: a missing key isn't there, nor is a union's member."""
        loc = details["loc"]
        missing = loc[-1:] if details["type"] == "missing" else ()
        place: Place = ()
        for part in loc[: len(loc) - len(missing)]:
            if (*self.place, *place, part) in self.tree:
                place = (*place, part)
        return (*place, *missing)

    def _found(self, place: Place) -> Found:
        """What stands at a place, or above it."""
        place = (*self.place, *place)
        while place not in self.tree:
            place = place[:-1]
        return self.tree[place]


def _wrong(found: list[ErrorDetails], here: Found) -> str:
    if found[0]["type"] in ("too_short", "too_long"):
        return _length(found[0])
    wordings = " or ".join(dict.fromkeys(_wording(details) for details in found)).replace(" or expected ", " or ")
    is_own_rule = found[0]["type"] == "value_error" and isinstance(here.value, dict | list)
    return wordings if is_own_rule else f"{wordings}, found {here.describe()}"


def _remedy(error_type: str, here: Found) -> str:
    if here.value is None:
        return "give it a value"
    if error_type in ("too_short", "too_long"):
        return "list more of them" if error_type == "too_short" else "list fewer of them"
    if error_type in ("list_type", "tuple_type") and isinstance(here.value, str):
        return f"put it in brackets: [{short(here.text)}]"
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
