"""The run store: what was planned, sent and answered."""

from toolkit.store._deliveries import Delivery, DeliveryState
from toolkit.store._habits import Habits
from toolkit.store._leases import LEASE_S, Holder, Lease
from toolkit.store._outcomes import StoredOutcomes, measures_of
from toolkit.store._process import Process, this_process
from toolkit.store._reading import LimitChange, Spent, UnknownAttempt
from toolkit.store._repair import Repair, repair_store
from toolkit.store._reuse import CACHE_SOURCE, is_reusable
from toolkit.store._rows import Texts
from toolkit.store._schema import VERSION
from toolkit.store._seen import seen_prompts
from toolkit.store._store import FILE_NAME, RunStore
from toolkit.store._traffic import TRAFFIC

__all__ = [
    "CACHE_SOURCE",
    "FILE_NAME",
    "LEASE_S",
    "TRAFFIC",
    "VERSION",
    "Delivery",
    "DeliveryState",
    "Habits",
    "Holder",
    "Lease",
    "LimitChange",
    "Process",
    "Repair",
    "RunStore",
    "Spent",
    "StoredOutcomes",
    "Texts",
    "UnknownAttempt",
    "is_reusable",
    "measures_of",
    "repair_store",
    "seen_prompts",
    "this_process",
]
