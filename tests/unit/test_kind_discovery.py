from __future__ import annotations

import importlib
import sys
from textwrap import dedent

import pytest

from canarylab.contract.provider import Provider
from canarylab.contract.stage import Stage
from canarylab.contract.step import Step
from canarylab.errors import CanarylabError
from canarylab.kind_discovery import discover

BASE = """
from abc import ABC, abstractmethod

class Plugin(ABC):
    name: str
    @abstractmethod
    def work(self): ...
"""

GOOD = """
from found_base import Plugin

class {cls}(Plugin):
    name = "{name}"
    def work(self): ...
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that makes a package of files and returns what is discovered in it."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "found_base.py").write_text(BASE)

    def made(files):
        folder = tmp_path / "found"
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(content))
        importlib.invalidate_caches()
        plugin = importlib.import_module("found_base").Plugin
        return discover(importlib.import_module("found"), plugin, "name")

    yield made
    for module in [name for name in sys.modules if name.split(".")[0] in ("found", "found_base")]:
        del sys.modules[module]


def test_a_file_is_all_that_it_takes(package):
    found = package({"one.py": GOOD.format(cls="One", name="first"), "two.py": GOOD.format(cls="Two", name="second")})
    assert {name: cls.__name__ for name, cls in found.items()} == {"first": "One", "second": "Two"}


def test_a_folder_is_a_module_too(package):
    assert list(package({"big/__init__.py": GOOD.format(cls="Big", name="big")})) == ["big"]


def test_what_is_imported_or_abstract_is_not_found_a_second_time(package):
    half = "from found.one import One\nfrom found_base import Plugin\nclass Half(Plugin):\n    shared = 1\n"
    found = package({"one.py": GOOD.format(cls="One", name="first"), "two.py": half})
    assert list(found) == ["first"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: "),
    ],
)
def test_a_file_that_cannot_be_imported_stops_the_tool_and_is_named(package, content, said):
    with pytest.raises(CanarylabError) as caught:
        package({"good.py": GOOD.format(cls="One", name="first"), "broken.py": content})
    assert "found.broken" in caught.value.what
    assert said in caught.value.what
    assert caught.value.remedy


def test_a_name_that_is_taken_twice_stops_the_tool_with_both_files(package):
    with pytest.raises(CanarylabError) as caught:
        package({"one.py": GOOD.format(cls="One", name="same"), "two.py": GOOD.format(cls="Two", name="same")})
    assert "'same'" in str(caught.value)
    assert "found/one.py" in str(caught.value)
    assert "found/two.py" in str(caught.value)


def test_a_class_without_a_name_stops_the_tool(package):
    with pytest.raises(CanarylabError, match="class One has no name") as caught:
        package({"one.py": "from found_base import Plugin\nclass One(Plugin):\n    def work(self): ...\n"})
    assert str(caught.value.where).endswith("found/one.py")


@pytest.mark.parametrize(
    ("package_name", "base", "attribute", "some"),
    [
        (
            "canarylab.stages.kinds",
            Stage,
            "kind",
            {"argo-rollouts", "helm-release", "image", "manifests", "namespace", "tunnel"},
        ),
        ("canarylab.providers", Provider, "name", {"embedded"}),
        ("canarylab.demo.steps", Step, "kind", {"expect-rollout", "evidence", "promote", "set-image"}),
    ],
)
def test_the_tool_finds_its_own(package_name, base, attribute, some):
    assert some <= set(discover(importlib.import_module(package_name), base, attribute))


def test_a_class_with_a_name_that_lacks_a_method_stops_the_tool_and_says_which(package):
    half = "from found_base import Plugin\n\nclass Half(Plugin):\n    name = 'half'\n"
    with pytest.raises(CanarylabError, match="class Half lacks work") as caught:
        package({"half.py": half})
    assert str(caught.value.where).endswith("half.py")


def test_a_class_without_a_name_may_be_there_for_others_to_build_on(package):
    common = "from found_base import Plugin\n\nclass Common(Plugin):\n    shared = 1\n"
    assert set(package({"common.py": common, "one.py": GOOD.format(cls="One", name="first")})) == {"first"}
