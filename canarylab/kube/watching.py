"""Watches: what is there and what changes, waiting for it, and following it without a gap."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from canarylab.cancel import Cancel
from canarylab.errors import CanarylabError
from canarylab.kube.connection import REQUEST_TIMEOUT, ApiError
from canarylab.kube.discovery import Discovery
from canarylab.kube.watch import Watch

_WATCH_SECONDS = 5
"""A watch ends by itself after so long: this is how soon one notices that nobody wants it any more."""
_PAUSE = 0.2
"""Seconds before a watch that broke off is begun again."""


@dataclass(frozen=True)
class Snapshot:
    """The objects that a list returned, and its resourceVersion, from which a watch goes on."""

    version: str
    items: tuple[dict[str, Any], ...]


class Watching(Discovery):
    """A connection by which objects can be watched."""

    def wait(
        self, watches: Sequence[Watch], check: Callable[[], str | None], *, deadline: float, cancel: Cancel
    ) -> str | None:
        """Wait until `check` returns None; else its last reason, at the deadline (a point of time.monotonic()).

        `check` runs at once and then whenever a watched object changes.
        """
        reason = check()
        if reason is None:
            return None
        changed, over = threading.Event(), threading.Event()
        unsubscribe = cancel.subscribe(changed.set)
        threads = [threading.Thread(target=self._signal, args=(watch, changed, over), daemon=True) for watch in watches]
        for thread in threads:
            thread.start()
        try:
            while reason is not None and time.monotonic() < deadline:
                # A watch that the server ended is renewed every few seconds: look again then, too.
                changed.wait(min(_WATCH_SECONDS, max(0.0, deadline - time.monotonic())))
                changed.clear()
                cancel.check()
                reason = check()
        finally:
            over.set()
            unsubscribe()
        return reason

    def _signal(self, watch: Watch, changed: threading.Event, over: threading.Event) -> None:
        """Set `changed` for every event of a watch until it is over. What can't be reached now is tried again."""
        while not over.is_set():
            with suppress(CanarylabError, RuntimeError):  # httpx raises RuntimeError once the client is closed
                for _ in self.events(watch):
                    changed.set()
                    if over.is_set():
                        return
                continue
            over.wait(_PAUSE)

    def snapshot(self, watch: Watch) -> Snapshot:
        """All that a watch is about as it is now, and the resourceVersion from which `follow` goes on."""
        found = self._request("GET", self.resource(watch.api_version, watch.kind).path(watch.namespace)) or {}
        return Snapshot(found["metadata"]["resourceVersion"], tuple(with_kind(found, watch.api_version, watch.kind)))

    def follow(self, watch: Watch, version: str, over: threading.Event) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (type, object) of every change after that resourceVersion, none left out, until `over` is set.

        A watch that ends, or breaks off for a reason that may pass, goes on from the last version seen. A BOOKMARK
        carries that version on where nothing changes (KEP-956), so that the server doesn't forget what follows it.
        Raises ApiError where it can't go on, with code 410 if the server has forgotten.
        """
        while not over.is_set():
            try:
                for event, found in self.events(watch, version=version):
                    version = found["metadata"]["resourceVersion"]
                    yield event, found
                    if over.is_set():
                        return
            except ApiError as error:
                if not error.may_pass:
                    raise
                over.wait(_PAUSE)

    def events(
        self, watch: Watch, seconds: int = _WATCH_SECONDS, version: str | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (type, object) of what is there and of what changes, for some seconds; then it ends by itself.

        With a resourceVersion only what changed after it, and bookmarks. Raises ApiError where it ends otherwise.
        """
        path = self.resource(watch.api_version, watch.kind).path(watch.namespace)
        params = {"watch": "true", "timeoutSeconds": str(seconds)}
        if version is not None:
            params |= {"resourceVersion": version, "allowWatchBookmarks": "true"}
        for line in self._lines(path, params, seconds + REQUEST_TIMEOUT):
            try:
                event = json.loads(line)
            except ValueError as error:
                raise ApiError(f"the watch broke off: {error}", None, where=path) from error
            if event["type"] == "ERROR":
                raise ApiError(str(event["object"].get("message")), event["object"].get("code"), where=path)
            yield event["type"], event["object"]


def with_kind(found: Mapping[str, Any], api_version: str, kind: str) -> list[dict[str, Any]]:
    """The objects of a list; the server leaves out in each what the list says of all."""
    return [{"apiVersion": api_version, "kind": kind, **item} for item in found.get("items", [])]
