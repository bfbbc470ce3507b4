"""The run store: what was planned, sent and answered."""

from toolkit.store._schema import VERSION
from toolkit.store._store import FILE_NAME, RunStore
from toolkit.store._traffic import TRAFFIC

__all__ = ["FILE_NAME", "TRAFFIC", "VERSION", "RunStore"]
