"""A provider in memory whose cluster is somebody else's."""

from __future__ import annotations

from typing import ClassVar

from support.fake_provider import FakeProvider

from canarylab.ownership.policy import GuestCluster


class BorrowedProvider(FakeProvider):
    name: ClassVar[str] = "borrowed"
    ownership = GuestCluster()
