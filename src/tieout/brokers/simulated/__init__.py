"""A simulated venue: a real adapter over a world whose truth, prices and faults the caller sets.

In process: `World`, `SimulatedBroker`. As a process of its own: `server`, with `remote.RemoteSimulatedBroker` and
`remote_world.RemoteWorld` (these need the extra `brokers`).
"""

from .adapter import SimulatedBroker
from .facts import WorldBroken
from .faults import Fault, FaultPlan, FaultRule
from .instruments import Instrument
from .storage import SqliteJournal
from .world import World

__all__ = ["Fault", "FaultPlan", "FaultRule", "Instrument", "SimulatedBroker", "SqliteJournal", "World", "WorldBroken"]
