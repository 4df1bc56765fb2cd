"""The versions that were tested, against the ranges that are declared."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

_REPOSITORY = Path(__file__).resolve().parents[2]
_PROJECT = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["project"]
_LINES = (_REPOSITORY / "requirements" / "lock.txt").read_text().splitlines()
_DIRECT = [
    Requirement(one)
    for one in [
        *_PROJECT["dependencies"],
        *(one for extra in _PROJECT["optional-dependencies"].values() for one in extra),
    ]
    if not one.startswith("canarylab[")
]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_is_names_and_versions_and_nothing_of_where_they_come_from() -> None:
    assert [line for line in _LINES[1:] if not re.fullmatch(r"[a-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []


@pytest.mark.parametrize("requirement", _DIRECT, ids=lambda one: one.name)
def test_every_dependency_is_locked_within_its_range(requirement: Requirement) -> None:
    locked = dict(line.split("==") for line in _LINES[1:])
    versions = {_plain(name): version for name, version in locked.items()}
    assert requirement.specifier.contains(versions[_plain(requirement.name)])


@pytest.mark.parametrize("requirement", _DIRECT, ids=lambda one: one.name)
def test_every_range_has_a_lower_end_that_can_be_installed(requirement: Requirement) -> None:
    assert [one for one in requirement.specifier if one.operator == ">="], "the check of the ranges needs it"
