"""What no rule and no person can have an order sent for: what an order would make worse, and what nobody is sure of."""

from __future__ import annotations

from tieout.decide.reading import Reading
from tieout.decide.verdicts import Judged
from tieout.model.discrepancy import DOUBTS, CauseCode, DiscrepancyType
from tieout.model.snapshot import CORPORATE_KINDS, Activity, Fill

FORBIDDEN = {
    CauseCode.LIQUIDATION: "forbidden_liquidation",
    CauseCode.MULTIPLIER: "forbidden_multiplier",
    CauseCode.SPLIT: "forbidden_corporate_action",
    CauseCode.SYMBOL_CHANGE: "forbidden_corporate_action",
    CauseCode.CORPORATE_ACTION: "forbidden_corporate_action",
    **dict.fromkeys(DOUBTS, "forbidden_doubt"),
}
# Records prove that it is local's books that are behind: the order would undo what the account itself did.
LOCAL_IS_BEHIND = frozenset(
    ("MISSED_FILL", "DUPLICATE_FILL", "PHANTOM_FILL", "WRONG_FILL", "WRONG_FILL_PRICE", "WRONG_FILL_QUANTITY", "FEE",
     "ROUNDING")
)  # fmt: skip
RESTATING = CORPORATE_KINDS | {"split", "symbol_change"}
NOT_ONE_POSITION, NOT_READ_WHOLE = "forbidden_not_one_position", "forbidden_not_read_whole"
UNCONFIRMED, NO_QUANTITY, LIVE_ORDER = "forbidden_unconfirmed", "forbidden_no_quantity", "forbidden_live_order"


def forbidden(judged: Judged, reading: Reading) -> str | None:
    """Why no order may be sent for a case, in a word; None where one may."""
    positions = [key for key in judged.votes if key.domain == "position"]
    if not judged.confirmed:
        return UNCONFIRMED
    if len(positions) != 1:
        return NOT_ONE_POSITION
    if any(reading.differences[key].type is DiscrepancyType.COST_MISMATCH for key in positions):
        return NO_QUANTITY
    asset = positions[0].asset
    why = _by_cause(judged, asset, reading)
    if why is not None:
        return why
    # In a section that was not read whole, a live order or another leg may be missing.
    if any(reading.coverage.get(section) != "compared" for section in ("positions", "orders")):
        return NOT_READ_WHOLE
    return LIVE_ORDER if _stranger_is_live(asset, reading) else None


def needs_a_person(judged: Judged, reading: Reading) -> bool:
    """Whether nobody but a person may have an order sent for a case, whatever a rule says."""
    parts = {str(reading.causes[key].code) for key in judged.case.keys}
    return not LOCAL_IS_BEHIND.isdisjoint(parts.union(*judged.case.parts.values()))


def _by_cause(judged: Judged, asset: str, reading: Reading) -> str | None:
    """By what its parts are, and by what else the broker tells of the asset, whether or not it explains anything."""
    related = {key for key in reading.causes if key.domain == "position" and key.asset == asset} | set(judged.case.keys)
    parts = {str(reading.causes[key].code) for key in related}
    parts |= {part for each in judged.case.parts.values() for part in each}
    told = next((why for code, why in FORBIDDEN.items() if code in parts), None)
    if told is None and asset in reading.doubted:
        return FORBIDDEN[CauseCode.STALE_BROKER]
    return told or _by_records(asset, reading)


def _by_records(asset: str, reading: Reading) -> str | None:
    """Whether the broker lists a forced close, or a restatement, of the asset that local has not booked."""
    if reading.broker is None or reading.local is None:
        return NOT_READ_WHOLE
    booked = {row.activity_id for row in reading.local.activities or ()}
    if any(_restates(row, asset) and row.activity_id not in booked for row in reading.broker.activities or ()):
        return FORBIDDEN[CauseCode.CORPORATE_ACTION]
    fills = {(row.asset, row.fill_id, row.side) for row in reading.local.fills or ()}
    forced = (row for row in reading.broker.fills or () if _forced(row, asset))
    if any((row.asset, row.fill_id, row.side) not in fills for row in forced):
        return FORBIDDEN[CauseCode.LIQUIDATION]
    return None


def _restates(row: Activity, asset: str) -> bool:
    return row.kind in RESTATING and asset in (row.asset, row.new_asset)


def _forced(row: Fill, asset: str) -> bool:
    return row.asset == asset and bool(row.liquidation)


def _stranger_is_live(asset: str, reading: Reading) -> bool:
    """Whether the broker has a live order of the asset that local does not know: it may fill at any moment."""
    return any(
        difference.type is DiscrepancyType.ORPHANED_BROKER and key.asset == asset
        for key, difference in reading.differences.items()
    )
