"""The process that moves every outbox into the audit database.

Several may run. Each holds some of the shards (shards.py) by locks in the audit database, in the very
session in which it appends: who has lost the one cannot do the other. A hint says where something lies;
a sweep over all outboxes, every so often, finds the rest (shift.py).
"""

from shared_apps.audit.relay.process import Relay

__all__ = ["Relay"]
