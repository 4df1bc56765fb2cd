from __future__ import annotations

import re

import pytest

from canarylab import errors
from canarylab.errors import CanarylabError, CommandError
from canarylab.paths import REPOSITORY


def tree(cls):
    return [cls, *(below for sub in cls.__subclasses__() for below in tree(sub))]


def test_an_error_says_what_where_why_and_what_next():
    error = CanarylabError("it broke", where="file:3", why="it was old", remedy="mend it")
    assert str(error) == "file:3: it broke\nwhy: it was old\nnext: mend it"
    assert str(CanarylabError("it broke")) == "it broke"


@pytest.mark.parametrize(
    ("code", "said"), [(3, "helm ended with 3"), (None, "helm did not end in time"), (0, "helm ended with 0")]
)
def test_a_failed_command_has_its_last_words_and_a_line_to_paste(code, said):
    error = CommandError("/programs/helm upgrade 'a b'", code, "last words", remedy="look")
    assert str(error) == f"{said}\nwhy: last words\nnext: look\ncommand: /programs/helm upgrade 'a b'"


def test_a_command_that_said_nothing_has_no_reason():
    assert str(CommandError("true", 1, "")) == "true ended with 1\ncommand: true"


CODES = {name: value for name, value in vars(errors).items() if name.startswith("EXIT_")}


def test_exit_codes_are_distinct_and_every_error_has_one():
    assert len(set(CODES.values())) == len(CODES)
    assert all(cls.exit_code in CODES.values() for cls in tree(CanarylabError))
    assert all(cls.exit_code not in (errors.EXIT_DONE, errors.EXIT_BUG) for cls in tree(CanarylabError))


def test_every_exit_code_is_documented():
    documented = re.findall(r"^\| (\d+) \|", (REPOSITORY / "docs" / "exit-codes.md").read_text(), re.MULTILINE)
    assert sorted(map(int, documented)) == sorted(CODES.values())
