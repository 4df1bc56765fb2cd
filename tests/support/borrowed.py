"""A provider in memory whose cluster is somebody else's."""

from __future__ import annotations

from typing import ClassVar

from support.fake_provider import FakeProvider


class BorrowedProvider(FakeProvider):
    name: ClassVar[str] = "borrowed"
    owns_cluster: ClassVar[bool] = False
