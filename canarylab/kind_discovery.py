"""Finds the kinds of stages and steps and the providers: every module of a package, every subclass in it.

Discovery is loud: a module that can't be imported, a class that lacks a method or a name taken twice stops the tool,
with the file.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any, TypeVar

from canarylab.errors import CanarylabError

T = TypeVar("T")


def discover(package: ModuleType, base: type[T], attribute: str) -> dict[str, type[T]]:
    """Map `attribute` of each concrete subclass of `base` defined in the package's modules to that class."""
    found: dict[str, type[T]] = {}
    for module_info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = _import(module_info.name)
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if not issubclass(cls, base) or cls.__module__ != module.__name__:
                continue
            if not inspect.isabstract(cls):
                _add(found, getattr(cls, attribute, None), cls)
            elif attribute in vars(cls):  # one that only others are built on has no name
                raise _unfinished(cls)
    return found


def _unfinished(cls: type[Any]) -> CanarylabError:
    lacking = ", ".join(sorted(cls.__abstractmethods__))
    return CanarylabError(
        f"class {cls.__name__} lacks {lacking}",
        where=inspect.getsourcefile(cls),
        why="the contract asks for it, so the class can't be used",
        remedy="write it, or remove its `name` if it is only a base class",
    )


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise CanarylabError(
            f"{name} can't be imported: {type(error).__name__}: {error}",
            why="every module of this package is an extension and is loaded",
            remedy="fix or remove the file",
        ) from error


def _add(found: dict[str, type[T]], name: str | None, cls: type[T]) -> None:
    where = inspect.getsourcefile(cls)
    if not name:
        raise CanarylabError(f"class {cls.__name__} has no name to be found under", where=where, remedy="give it one")
    if name in found:
        other = inspect.getsourcefile(found[name])
        raise CanarylabError(f"{name!r} is taken by {other}", where=where, remedy="give one of them another name")
    found[name] = cls
