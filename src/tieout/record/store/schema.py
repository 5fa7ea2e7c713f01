"""The tables. What holds amounts is sealed in `payloads`; `live_positions` alone shows them, being of now and not history.

Rows refer to the log by entry index, so that each can be proved. A table is only ever changed through a migration.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from .access import sessions as sessions
from .access import tokens as tokens
from .access import users as users
from .outside import metadata as metadata
from .outside import pushed_books as pushed_books
from .types import BigId, DecimalText, UtcTime


def _account() -> Column[int]:
    return Column("account", ForeignKey("accounts.id"), nullable=False)


# The log: its head (one row, whose change is the lock that keeps writers in line), entries, subtrees, signed heads.
log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", String(255), nullable=False),
    Column("size", BigId, nullable=False),
    Column("at", UtcTime, nullable=False),
)
log_entries = Table(
    "log_entries",
    metadata,
    Column("entry", BigId, primary_key=True, autoincrement=False),
    Column("event", LargeBinary(16), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
)
# With the leaf that completes them: the hashes of subtrees of level 1 and up, lowest first, 32 bytes each.
tree_nodes = Table(
    "tree_nodes",
    metadata,
    Column("leaf", BigId, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigId, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
)
# What others signed over a checkpoint: a witness's cosignature line, a time stamp's token.
attestations = Table(
    "attestations",
    metadata,
    Column("size", BigId, primary_key=True, autoincrement=False),
    Column("kind", String(16), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
)
# Sealed content. Erasing it empties the three fields but the commitment: every proof over it still stands.
payloads = Table(
    "payloads",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("digest", LargeBinary(16), unique=True),
    Column("commitment", LargeBinary(32), nullable=False),
    Column("wrapped_key", LargeBinary),
    Column("sealed", LargeBinary),
    Column("erased_at", UtcTime),
)
# What one side said, without its times: stored once for as long as it says the same.
snapshots = Table(
    "snapshots",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
)
observations = Table(
    "observations",
    metadata,
    Column("entry", BigId, primary_key=True, autoincrement=False),
    _account(),
    Column("at", UtcTime, nullable=False),
    Column("look", Boolean, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
reports = Table(
    "reports",
    metadata,
    Column("entry", BigId, primary_key=True, autoincrement=False),
    _account(),
    Column("report_id", String(26), nullable=False),
    Column("trigger", String(16), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime, nullable=False),
    Column("status", String(16), nullable=False),
    Column("severity", String(16)),
    Column("configuration", String(16), nullable=False),
)
Index("reports_by_id", reports.c.report_id)
Index("reports_by_account", reports.c.account, reports.c.entry)
# Settings and policy that accounts were judged by, by the name that entries and readings bear.
configurations = Table(
    "configurations",
    metadata,
    Column("account", ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("entry", BigId, nullable=False),
    Column("body", ForeignKey("payloads.id"), nullable=False),
)
# What a reading has to know of the earlier ones, as it was before the reading at `entry`: the newest, one of each day, and
# those that the readings before them do not lead to.
states = Table(
    "states",
    metadata,
    Column("account", ForeignKey("accounts.id"), primary_key=True),
    Column("entry", BigId, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("body", ForeignKey("payloads.id"), nullable=False),
    Column("gap", Boolean, nullable=False),
)

breaks = Table(
    "breaks",
    metadata,
    Column("id", String(32), primary_key=True),
    _account(),
    Column("domain", String(16), nullable=False),
    Column("discrepancy_type", String(32), nullable=False),
    Column("asset", String(255), nullable=False),
    Column("first_seen", UtcTime, nullable=False),
    Column("last_seen", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("severity", String(16), nullable=False),
    Column("cause", String(32), nullable=False),
    Column("strategy", String(32), nullable=False),
    Column("confirmed", Boolean, nullable=False),
)
Index("breaks_by_account", breaks.c.account, breaks.c.closed_at)
# A break's life: a row for each reading that showed it, for its end, for each decision and each word of a person.
break_history = Table(
    "break_history",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("break_id", String(32), nullable=False),
    Column("entry", BigId, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("event", String(16), nullable=False),
    Column("severity", String(16)),
    Column("cause", String(32)),
    Column("strategy", String(32)),
    Column("confirmed", Boolean),
    Column("note", Text),
)
Index("break_history_by_break", break_history.c.break_id, break_history.c.entry)
decisions = Table(
    "decisions",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entry", BigId, nullable=False),
    _account(),
    Column("report_id", String(26), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("strategy", String(32), nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("break_ids", Text, nullable=False),
    Column("body", ForeignKey("payloads.id"), nullable=False),
)
Index("decisions_by_report", decisions.c.report_id)
actions = Table(
    "actions",
    metadata,
    Column("id", String(64), primary_key=True),
    _account(),
    Column("report_id", String(26), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("break_ids", Text, nullable=False),
    Column("body", ForeignKey("payloads.id"), nullable=False),
    Column("intent", BigId, nullable=False),
    Column("intended_at", UtcTime, nullable=False),
    Column("outcome", BigId),
    Column("ended_at", UtcTime),
    Column("status", String(16), nullable=False),
    Column("why", Text),
)
Index("actions_open", actions.c.account, actions.c.outcome)
approvals = Table(
    "approvals",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entry", BigId, nullable=False),
    _account(),
    Column("subject", String(255), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("body", ForeignKey("payloads.id"), nullable=False),
    Column("strategy", String(32)),
    Column("plan", String(64)),
    Column("assignee", String(255)),
)
Index("approvals_by_subject", approvals.c.subject)
Index("approvals_by_account", approvals.c.account, approvals.c.entry)
Index("approvals_by_entry", approvals.c.entry)
known_breaks = Table(
    "known_breaks",
    metadata,
    Column("break_id", String(32), primary_key=True),
    _account(),
    Column("entry", BigId, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("until", UtcTime, nullable=False),
)
halts = Table(
    "halts",
    metadata,
    Column("id", BigId, primary_key=True),
    _account(),
    Column("asset", String(255)),
    Column("reason", Text, nullable=False),
    Column("entry", BigId, nullable=False),
    Column("set_at", UtcTime, nullable=False),
    Column("lifted_entry", BigId),
    Column("lifted_at", UtcTime),
    Column("lifted_by", String(255)),
    Column("name", String(32)),
)
Index("halts_by_account", halts.c.account, halts.c.lifted_at)
alerts = Table(
    "alerts",
    metadata,
    Column("id", BigId, primary_key=True),
    _account(),
    Column("entry", BigId, nullable=False),
    Column("key", String(64), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", UtcTime),
    Column("delivered_at", UtcTime),
    Column("kind", String(16), nullable=False, server_default="opened"),
    Column("escalated_at", UtcTime),
    Column("failure", Text),
    UniqueConstraint("entry", "key", name="alerts_once"),
)
Index("alerts_waiting", alerts.c.delivered_at, alerts.c.next_at)
Index("alerts_by_key", alerts.c.account, alerts.c.key)
live_positions = Table(
    "live_positions",
    metadata,
    Column("account", ForeignKey("accounts.id"), primary_key=True),
    Column("asset", String(255), primary_key=True),
    Column("side", String(8), primary_key=True),
    Column("amount", DecimalText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("entry", BigId, nullable=False),
)
