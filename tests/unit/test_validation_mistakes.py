"""The texts of mistakes and the checks that find them: neither is without the other, and every word is filled in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest

from canarylab.rollouts import validation
from canarylab.rollouts.validation.mistake import mistake
from canarylab.yamlfile.kubernetes_yaml import load_yaml

FOLDER = Path(validation.__path__[0])
TEXTS = load_yaml((FOLDER / "mistakes.yaml").read_text("utf-8"))


def named() -> Iterator[tuple[str, frozenset[str | None]]]:
    """Each name by which the checks make a mistake, with the words that they hand over."""
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "mistake":
                first = node.args[0]
                names = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                for name in names:
                    assert isinstance(name, ast.Constant), f"{file.name}:{node.lineno} doesn't name it"
                    yield str(name.value), frozenset(word.arg for word in node.keywords)


NAMED = tuple(named())


@pytest.mark.parametrize("name", sorted({name for name, _ in NAMED} | set(TEXTS)))
def test_a_mistake_has_texts_and_a_check_that_hands_over_their_words(name):
    asked = {word for text in TEXTS[name].values() for word in Template(text).get_identifiers()}
    assert {words for found, words in NAMED if found == name} == {frozenset(asked)}
    assert set(TEXTS[name]) in ({"what", "why", "remedy"}, {"what", "invalid", "remedy"})
    assert all(Template(text).is_valid() for text in TEXTS[name].values())


def test_no_text_stands_there_twice_under_one_name():
    names = [line for line in (FOLDER / "mistakes.yaml").read_text("utf-8").splitlines() if line[:1].isalpha()]
    assert len(names) == len(set(names)) == len(TEXTS)


def test_what_argo_refuses_says_so():
    refused = mistake("negative", ("spec", "replicas"), given=-1)
    assert refused.what == "-1 is negative"
    assert refused.why.endswith("with InvalidSpec: must be greater than or equal to 0")
    assert refused.place == ("spec", "replicas")


def test_words_are_put_in_as_they_are():
    assert mistake("negative", (), given="$given {limit}").what == "$given {limit} is negative"
