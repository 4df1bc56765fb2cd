"""Lines to be shown, in pieces with a style each: one wording for terminals, pipes and logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canarylab.report.formatting import clean

_PROGRAMS = frozenset(
    ("sudo", "brew", "invoke", "kubectl", "helm", "minikube", "docker", "curl", "open", "export", "arch", "pip")
)
"""With which the commands begin that remedies and notices give."""


@dataclass(frozen=True)
class Piece:
    """`style` in rich's words, such as `bold red`; without a terminal it means nothing."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Line:
    """What follows on further lines, or has to be wrapped, is indented as far as `lead` is wide.

    A `verbatim` line is never wrapped: it can be copied as it is.
    """

    body: tuple[Piece, ...] = ()
    lead: tuple[Piece, ...] = ()
    verbatim: bool = False

    def after(self, text: str, style: str = "") -> Line:
        """The line behind these words, below which it hangs."""
        return Line(self.body, (Piece(text, style), *self.lead), self.verbatim)


EMPTY = Line()


def line(text: str, style: str = "", *, indent: int = 0, verbatim: bool = False) -> Line:
    """A line in one style."""
    return Line((Piece(text, style),), (Piece(" " * indent),), verbatim)


def marked(sign: tuple[str, str], text: str, detail: str = "") -> Line:
    """A line behind a mark with its style. `detail` follows the text, dimmed."""
    mark, style = sign
    return Line((Piece(text), Piece(detail, "dim")), (Piece(f"{mark} ", style),))


def is_command(text: str) -> bool:
    """Whether the line is a command of a program that remedies name: it is to be pasted, so it stays in one piece."""
    return text.lstrip().removeprefix("command: ").partition(" ")[0].rpartition("/")[2] in _PROGRAMS


def block(text: str, indent: int) -> list[Line]:
    """A line for each of the text's; a command line stays in one piece, to be pasted."""
    lines = clean(text).strip().splitlines()
    return [line(each, indent=indent, verbatim=each.startswith("command: ")) for each in lines]


def as_text(each: Line) -> str:
    """The line without styles, nothing at its end."""
    lead, body = (clean("".join(piece.text for piece in pieces)) for pieces in (each.lead, each.body))
    return (lead + body.replace("\n", "\n" + " " * len(lead))).rstrip()


def all_text(lines: Sequence[Line]) -> str:
    """The lines as plain text, with newlines between them."""
    return "\n".join(as_text(each) for each in lines)
