"""What differs, why, and what was decided: the nouns between comparing and reporting."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from tieout.model.amounts import ONE
from tieout.model.snapshot import Leg

Domain = Literal["position", "balance", "order", "fill"]


class Severity(StrEnum):
    """How bad: below 1 %, 1 % to 5 %, above 5 % or missing or opposite."""

    MINOR = "MINOR"
    MODERATE = "MODERATE"
    CRITICAL = "CRITICAL"


SEVERITY_RANK = {Severity.MINOR: 0, Severity.MODERATE: 1, Severity.CRITICAL: 2}


class DiscrepancyType(StrEnum):
    """In which way two sides differ; which types a domain knows is in the contract, section 3."""

    QUANTITY_MISMATCH = "QUANTITY_MISMATCH"
    SIDE_MISMATCH = "SIDE_MISMATCH"
    MISSING_LOCAL = "MISSING_LOCAL"
    MISSING_BROKER = "MISSING_BROKER"
    COST_MISMATCH = "COST_MISMATCH"
    BALANCE_MISMATCH = "BALANCE_MISMATCH"
    PRECISION = "PRECISION"
    LOCKED_MISMATCH = "LOCKED_MISMATCH"
    ORPHANED_LOCAL = "ORPHANED_LOCAL"
    ORPHANED_BROKER = "ORPHANED_BROKER"
    STATUS_MISMATCH = "STATUS_MISMATCH"
    FILLED_MISMATCH = "FILLED_MISMATCH"
    TERMS_MISMATCH = "TERMS_MISMATCH"
    FILL_MISMATCH = "FILL_MISMATCH"


class CauseCode(StrEnum):
    """Why two sides differ, as far as records prove it; the contract's section 4 defines each."""

    IN_FLIGHT = "IN_FLIGHT"
    MISSED_FILL = "MISSED_FILL"
    EXTERNAL_TRADE = "EXTERNAL_TRADE"
    LIQUIDATION = "LIQUIDATION"
    EXTERNAL_ORDER = "EXTERNAL_ORDER"
    WRONG_FILL = "WRONG_FILL"
    DUPLICATE_FILL = "DUPLICATE_FILL"
    PHANTOM_FILL = "PHANTOM_FILL"
    FEE = "FEE"
    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    TRANSFER = "TRANSFER"
    FUNDING = "FUNDING"
    INTEREST = "INTEREST"
    DIVIDEND = "DIVIDEND"
    REBATE = "REBATE"
    SPLIT = "SPLIT"
    SYMBOL_CHANGE = "SYMBOL_CHANGE"
    CORPORATE_ACTION = "CORPORATE_ACTION"
    MULTIPLIER = "MULTIPLIER"
    ROUNDING = "ROUNDING"
    STALE_BROKER = "STALE_BROKER"
    PARTIAL_RESPONSE = "PARTIAL_RESPONSE"
    LOST_SUBMISSION = "LOST_SUBMISSION"
    MISSED_UPDATE = "MISSED_UPDATE"
    MULTIPLE = "MULTIPLE"
    UNKNOWN = "UNKNOWN"


# What somebody else did, in the words of a policy: a wrong fill says whether its quantity or its price is wrong.
FOREIGN = ("EXTERNAL_TRADE", "DEPOSIT", "WITHDRAWAL", "TRANSFER", "PHANTOM_FILL", "MULTIPLIER", "WRONG_FILL_QUANTITY")
DOUBTS = frozenset((CauseCode.IN_FLIGHT, CauseCode.STALE_BROKER, CauseCode.PARTIAL_RESPONSE))


class ReconciliationStrategy(StrEnum):
    """What the policy picks."""

    SYNC_TO_BROKER = "SYNC_TO_BROKER"
    SYNC_TO_LOCAL = "SYNC_TO_LOCAL"
    HALT_AND_ALERT = "HALT_AND_ALERT"
    WARN_ONLY = "WARN_ONLY"


class ActionKind(StrEnum):
    """What is done."""

    BOOK_FILL = "book_fill"
    REVERSE_FILL = "reverse_fill"
    BOOK_ACTIVITY = "book_activity"
    SET_POSITION = "set_position"
    SET_BALANCE = "set_balance"
    UPDATE_ORDER = "update_order"
    ADOPT_ORDER = "adopt_order"
    CANCEL_ORDER = "cancel_order"
    SUBMIT_ORDER = "submit_order"
    HALT = "halt"
    ALERT = "alert"
    WAIT = "wait"


class ActionStatus(StrEnum):
    """How far an action has come."""

    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting_approval"
    SKIPPED = "skipped"
    DONE = "done"
    FAILED = "failed"


class Key(Struct, frozen=True, order=True):
    """What a break is about, within an account: an asset's leg, a currency, an order or a fill."""

    domain: Domain
    asset: str
    leg: Leg = "net"
    record: str = ""


class Difference(Struct, frozen=True, kw_only=True):
    """Two sides are unequal in one reading. Amounts are signed; `difference` = broker - local.

    For orders the amounts are the differing term, or the filled quantities; for fills the first value that differs.
    `usd_value` is None where a price is unknown, which is above every cap. `local_scale` is what one of local's own units
    counts in the units compared: a position is set in local's. `average_price` is the broker's, in quote currency a unit,
    where it is a position that the broker states as one row.
    """

    key: Key
    type: DiscrepancyType
    local_amount: Decimal
    broker_amount: Decimal
    difference: Decimal
    percent: Decimal
    usd_value: Decimal | None
    severity: Severity
    within_tolerance: bool
    local_scale: Decimal = ONE
    average_price: Decimal | None = None
    position_side: Leg | None = None
    broker_order_id: str | None = None
    client_order_id: str | None = None
    fill_id: str | None = None


class Cause(Struct, frozen=True):
    """What was recognised: `explained` + `residual` = the difference, exactly.

    `evidence` names records as ``fill ID``, ``activity ID``, ``order ID``; with `MULTIPLE` each behind its code.
    """

    code: CauseCode
    explained: Decimal
    residual: Decimal
    evidence: tuple[str, ...] = ()
