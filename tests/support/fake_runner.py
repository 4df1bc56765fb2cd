"""A runner that knows a fixed set of command lines and starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from canarylab.errors import CommandError
from canarylab.tools.runner import Result

Answer = str | int | Callable[[], str]
"""What a command prints, the exit code it fails with, or a function that does something and says what it prints."""


class FakeRunner:
    """Answers the commands that it knows, by the whole line or by its first words, and raises on any other.

    `commands` has every line that was run, `given` the keyword arguments of each.
    """

    def __init__(self, known: Mapping[str, Answer] | None = None) -> None:
        self.known = dict(known or {})
        self.commands: list[str] = []
        self.given: list[dict[str, Any]] = []

    def run(self, argv: Sequence[str | Path], *, timeout: float, ok: Sequence[int] = (0,), **given: Any) -> Result:
        line = " ".join(map(str, argv))
        assert timeout > 0, f"{line}: no time to run in"
        self.commands.append(line)
        self.given.append({"timeout": timeout, **given})
        said = self._answer(line)
        if callable(said):
            said = said()
        if isinstance(said, int):
            if said not in ok:
                raise CommandError(line, said, "it failed, as the test wants it")
            return Result("", "", said, 0.0)
        return Result(said, "", 0, 0.0)

    def attended(self, argv: Sequence[str | Path]) -> int:
        line = " ".join(map(str, argv))
        self.commands.append(line)
        said = self._answer(line)
        said = said() if callable(said) else said
        return said if isinstance(said, int) else 0

    def _answer(self, line: str) -> Answer:
        matching = [start for start in self.known if line == start or line.startswith(f"{start} ")]
        assert matching, f"nobody expected this command: {line}"
        return self.known[max(matching, key=len)]
