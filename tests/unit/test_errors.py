from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from canarylab import errors
from canarylab.errors import CanarylabError, CommandError
from canarylab.kube.connection import ApiError
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


# -- every error says what to do next ---------------------------------------------------------------------------------

SOURCES = {file: ast.parse(file.read_text()) for file in sorted((REPOSITORY / "canarylab").rglob("*.py"))}


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def error_classes() -> dict[str, ast.ClassDef]:
    """The project's errors by name, wherever they are defined."""
    classes = [node for tree in SOURCES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: dict[str, ast.ClassDef] = {each.name: each for each in classes if each.name == "CanarylabError"}
    while more := [
        each for each in classes if each.name not in found and any(name_of(base) in found for base in each.bases)
    ]:
        found |= {each.name: each for each in more}
    return found


ERRORS = error_classes()


def has_own_step(name: str) -> bool:
    """Whether the class itself says what to do next, where whoever raises it can't know."""
    if name not in ERRORS or name == "CanarylabError":
        return False
    targets = [
        target
        for node in ast.walk(ERRORS[name])
        if isinstance(node, ast.Assign)
        for target in node.targets
        if name_of(target) == "otherwise"
    ]
    return bool(targets) or any(has_own_step(name_of(base)) for base in ERRORS[name].bases)


def raised() -> Iterator[tuple[Path, ast.Call]]:
    for file, source in SOURCES.items():
        for node in ast.walk(source):
            if isinstance(node, ast.Call) and name_of(node.func) in ERRORS:
                yield file, node


def lacks_a_step(call: ast.Call) -> bool:
    remedies = [word.value for word in call.keywords if word.arg in ("remedy", None)]
    return not remedies or any(isinstance(each, ast.Constant) and not each.value for each in remedies)


def test_every_error_that_is_raised_says_what_to_do_next():
    assert {"ApiError", "CommandError", "ConflictError", "NotPublishedError", "UnknownKindError"} <= ERRORS.keys()
    silent = [
        f"{file.relative_to(REPOSITORY)}:{call.lineno} {name_of(call.func)}"
        for file, call in raised()
        if lacks_a_step(call) and not has_own_step(name_of(call.func))
    ]
    assert silent == []


def test_what_a_user_sees_of_an_error_ends_with_what_to_do_next():
    assert CommandError("helm upgrade x", 1, "boom").report.splitlines()[-1].startswith("next: paste the command above")
    assert CanarylabError("it broke").report == f"it broke\nnext: {CanarylabError.otherwise}"
    assert CanarylabError("it broke", remedy="mend it").report == "it broke\nnext: mend it"


def test_there_is_nothing_to_do_about_what_the_user_interrupted():
    assert errors.CancelledError("interrupted").report == "interrupted"


@pytest.mark.parametrize(
    ("code", "step"),
    [
        (None, "`invoke doctor`"),
        (401, "log in again"),
        (403, "ask whoever runs the cluster"),
        (404, "`invoke up` brings it up"),
        (409, "run the command again"),
        (422, "`invoke plan`"),
        (503, "which may pass"),
    ],
)
def test_what_the_api_server_refuses_has_a_next_step_for_its_code(code, step):
    error = ApiError("refused", code, where="GET /api")
    assert step in error.next_step
    assert error.report.endswith(f"next: {error.next_step}")


def findings_without_a_remedy() -> Iterator[str]:
    for file, source in SOURCES.items():
        for call in ast.walk(source):
            if isinstance(call, ast.Call) and name_of(call.func) == "Finding":
                words = {word.arg: word.value for word in call.keywords}
                given = dict(zip(("subject", "ok", "seen", "remedy"), call.args, strict=False)) | words
                well = given.get("ok")
                remedy = given.get("remedy")
                is_bad = isinstance(well, ast.Constant) and well.value is False
                if is_bad and (remedy is None or (isinstance(remedy, ast.Constant) and not remedy.value)):
                    yield f"{file.relative_to(REPOSITORY)}:{call.lineno}"


def test_every_finding_that_is_not_well_says_what_to_do_next():
    assert list(findings_without_a_remedy()) == []
