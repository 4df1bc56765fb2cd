"""How the stand-in ends."""

from __future__ import annotations

UNKNOWN = 99
"""Exit code of the stand-in itself: it was asked something that it doesn't know. minikube has no such code."""


class StandinError(Exception):
    """The stand-in doesn't know what the real minikube would do; a test that gets here needs it to be taught."""


class Killed(BaseException):
    """minikube is killed here: it leaves what it has made, and says nothing more."""


class Exit(Exception):  # noqa: N818 - it isn't always an error
    """minikube ends here, with this exit code; what there was to say has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
