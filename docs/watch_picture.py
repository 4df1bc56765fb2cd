"""Draws what `invoke watch` leaves on a terminal, by the live view's own code, as an SVG.

The picture in docs/watch.md is made like this, while a canary goes on; Ctrl-C takes it:

    python docs/watch_picture.py rollouts-demo docs/watch.svg
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from picture import SVG, THEME
from rich.console import Console, ConsoleDimensions

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.errors import EXIT_DONE, CancelledError
from canarylab.report.rollout.live import LiveScreen
from canarylab.watch.snapshot import take_snapshot
from canarylab.watch.watcher import Watcher

_COLUMNS, _ROWS = 110, 40


class Camera(LiveScreen):
    """The live view, with the lines of what has changed kept for a picture; its moving part goes nowhere."""

    def __init__(self, command: str) -> None:
        super().__init__(io.StringIO(), command)
        self._console = Console(
            file=io.StringIO(), record=True, width=_COLUMNS, height=_ROWS, force_terminal=True,
            color_system="truecolor", markup=False, highlight=False, emoji=False,
        )  # fmt: skip

    def svg(self, title: str) -> str:
        self._console.print(*self._rows(ConsoleDimensions(_COLUMNS, _ROWS - 1)), sep="\n")
        return self._console.export_svg(title=title, theme=THEME, code_format=SVG, unique_id="watch")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rollout")
    parser.add_argument("svg", type=Path, help="the file to write")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--profile")
    options = parser.parse_args()

    def work(ctx: Context) -> int:
        first = take_snapshot(ctx.cluster, options.namespace, options.rollout)
        if first is None:
            parser.error(f"there is no Rollout {options.namespace}/{options.rollout}")
        where = f"--namespace {options.namespace} --context {ctx.cluster.context}"
        camera = Camera(f"kubectl argo rollouts {{}} {where}")
        try:
            Watcher(ctx, first, camera).follow()
        except CancelledError:
            options.svg.write_text(camera.svg(f"invoke watch {options.rollout}"))
        finally:
            camera.close()
        return EXIT_DONE

    return run(Options(profile=options.profile), work)


if __name__ == "__main__":
    raise SystemExit(main())
