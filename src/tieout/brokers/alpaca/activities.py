"""Alpaca's non-trade activities -> activities of the model, by a table. A type that is not in it is never skipped."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from tieout.brokers.alpaca.fields import Json, RowError, RowLeft, checked, due_word, eastern, moment, number, word
from tieout.brokers.alpaca.symbols import asset
from tieout.model.snapshot import Activity, ActivityKind

TRADE = "FILL"


class Meaning(NamedTuple):
    """What an activity type moves: `cash` is the kind of what it does to money, `units` of what it does to a holding.

    Where both are None nothing is moved. Where `either`, units move only where no money does.
    """

    cash: ActivityKind | None = None
    units: ActivityKind | None = None
    either: bool = False


def _both(kind: ActivityKind) -> Meaning:
    return Meaning(kind, kind, either=True)


_DIVIDEND, _INTEREST, _FEE = Meaning("dividend"), Meaning("interest"), _both("fee")
_TRANSFER = Meaning("transfer", "transfer")

MEANINGS: dict[str, Meaning] = {
    "CSD": _both("deposit"),
    "CSW": _both("withdrawal"),
    "ACATC": Meaning("transfer"),
    "ACATS": _TRANSFER,
    "JNL": _both("transfer"),
    "JNLC": Meaning("transfer"),
    "JNLS": _TRANSFER,
    "DIV": _DIVIDEND, "DIVCGL": _DIVIDEND, "DIVCGS": _DIVIDEND, "DIVFT": _DIVIDEND, "DIVNRA": _DIVIDEND,
    "DIVROC": _DIVIDEND, "DIVTW": _DIVIDEND, "DIVTXEX": _DIVIDEND, "DIVWH": _DIVIDEND, "CGD": _DIVIDEND,
    "DIVFEE": Meaning("fee"),
    "INT": _INTEREST, "INTNRA": _INTEREST, "INTTW": _INTEREST,
    "FEE": _FEE, "CFEE": _FEE, "PTC": Meaning("fee"),
    "PTR": Meaning("rebate"),
    "CIL": Meaning("cash_in_lieu"),
    "SPLIT": Meaning("cash_in_lieu", "conversion"), "SSP": Meaning("cash_in_lieu", "conversion"),
    "SPIN": Meaning("cash_in_lieu", "spin_off"), "SSO": Meaning("cash_in_lieu", "spin_off"),
    "MA": Meaning("cash_in_lieu", "merger"),
    "NC": Meaning("cash_in_lieu", "conversion"), "SC": Meaning("cash_in_lieu", "conversion"),
    "REORG": Meaning("cash_in_lieu", "conversion"), "REO": Meaning("cash_in_lieu", "conversion"),
    "OPASN": Meaning("cash_in_lieu", "assignment"),
    "OPEXP": Meaning("cash_in_lieu", "expiry"),
    "OPXRC": Meaning("cash_in_lieu", "conversion"), "OPEXC": Meaning("cash_in_lieu", "conversion"),
    "OPTRD": Meaning("cash_in_lieu", "conversion"), "OPCSH": Meaning("cash_in_lieu", "conversion"),
}  # fmt: skip

_NAME = re.compile("[A-Z]{2,10}")
_STAMP = re.compile(r"(\d{14})(\d{3})::")


def activities(row: Json, currency: str) -> tuple[Activity, ...]:
    """What an activity moved: nothing, money in *currency*, units of an asset, or both (the money's id ends in ``:cash``).

    A split, a rename or a merger is told as the units that went and the units that came, for that is how Alpaca books it.

    Raises:
        RowError: A field is missing or makes no sense.
        RowLeft: The type, or what it moved, is not known here.
    """
    kind = due_word(row, "activity_type")
    meaning = MEANINGS.get(kind)
    if meaning is None:
        raise RowLeft(f"activity type {kind if _NAME.fullmatch(kind) else 'of another form'}")
    if not _counts(row):
        return ()
    money, units = number(row, "net_amount"), number(row, "qty")
    if meaning.units is None:
        if units and not money:
            raise RowLeft(f"{kind} in units")
        units = None
    elif meaning.either and money:
        if units and asset(word(row, "symbol") or "").base is not None:
            raise RowLeft(f"{kind} in money and in coins")
        units = None
    if money is None and units is None:
        raise RowLeft(f"{kind} that does not say what it moved")
    return tuple(_records(row, currency, meaning, money, units))


def _counts(row: Json) -> bool:
    """Whether it stands: what was cancelled never happened."""
    told = word(row, "status")
    if told in (None, "executed", "correct"):
        return True
    if told == "canceled":
        return False
    raise RowLeft("an activity in a state that is not known here")


def _records(
    row: Json, currency: str, meaning: Meaning, money: Decimal | None, units: Decimal | None
) -> list[Activity]:
    id_, at, records = due_word(row, "id"), happened_at(row), []
    if units and meaning.units is not None:
        name = asset(due_word(row, "symbol")).name
        records.append(Activity(activity_id=id_, kind=meaning.units, at=at, asset=name, amount=units))
    if money and meaning.cash is not None:
        id_ = f"{id_}:cash" if records else id_
        records.append(Activity(activity_id=id_, kind=meaning.cash, at=at, currency=currency, amount=money))
    for record in records:
        checked(record)
    return records


def happened_at(row: Json) -> datetime:
    """When it was booked: its own time where it has one, else what its id and its date tell, whichever is later.

    Both are New York's: an id begins with local time to the millisecond, or with midnight where only the day is known.

    Raises:
        RowError: There is neither.
    """
    told = moment(row, "created_at") or moment(row, "transaction_time")
    if told is not None:
        return told
    stamp, day = _STAMP.match(due_word(row, "id")), word(row, "date")
    try:
        known = [eastern(datetime.fromisoformat(day[:10]))] if day else []
        if stamp is not None:
            second = datetime.strptime(stamp[1], "%Y%m%d%H%M%S")  # noqa: DTZ007 - made aware by eastern
            known.append(eastern(second + timedelta(milliseconds=int(stamp[2]))))
    except ValueError:
        raise RowError("date or id tells no time") from None
    if not known:
        raise RowError("neither id nor date tells a time")
    return max(known)
