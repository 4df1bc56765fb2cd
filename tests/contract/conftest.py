from __future__ import annotations

from support.isolation import isolated_home  # noqa: F401 - a fixture; the Go sources are compiled in the real cache
