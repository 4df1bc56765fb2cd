"""A runner that knows a fixed set of command lines and starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from canarylab.errors import CommandError
from canarylab.tools.runner import Result

Answer = str | int | Result | Callable[[], str | int | Result]
"""What a command prints, the exit code it fails with, all that comes of it; or a function that does something first."""


class FakeRunner:
    """Answers the commands that it knows, by the whole line or by its first words, and raises on any other.

    `commands` has every line that was run, `given` the keyword arguments of each. Worlds answer by `_answer`.
    """

    def __init__(self, known: Mapping[str, Answer] | None = None) -> None:
        self.known = dict(known or {})
        self.commands: list[str] = []
        self.given: list[dict[str, Any]] = []

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float,
        ok: Sequence[int] = (0,),
        on_line: Callable[[str], None] | None = None,
        **given: Any,
    ) -> Result:
        line = " ".join(map(str, argv))
        assert timeout > 0, f"{line}: no time to run in"
        self.commands.append(line)
        self.given.append({"timeout": timeout, **given, **({"on_line": on_line} if on_line else {})})
        result = self._result(line)
        for each in result.stdout.splitlines():
            if on_line:
                on_line(each)
        if result.code not in ok:
            raise CommandError(line, result.code, result.stderr or "it failed, as the test wants it")
        return result

    def attended(self, argv: Sequence[str | Path]) -> int:
        line = " ".join(map(str, argv))
        self.commands.append(line)
        return self._result(line).code

    def _result(self, line: str) -> Result:
        said = self._answer(line)
        said = said() if callable(said) else said
        if isinstance(said, Result):
            return said
        return Result("", "", said, 0.0) if isinstance(said, int) else Result(said, "", 0, 0.0)

    def _answer(self, line: str) -> Answer:
        matching = [start for start in self.known if line == start or line.startswith(f"{start} ")]
        assert matching, f"nobody expected this command: {line}"
        return self.known[max(matching, key=len)]
