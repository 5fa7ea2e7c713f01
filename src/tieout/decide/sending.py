"""SYNC_TO_LOCAL for a position: one order that brings the broker to local, within caps and a collar, or why there is none."""

from __future__ import annotations

from decimal import Decimal

from tieout.decide.forbidding import forbidden, needs_a_person
from tieout.decide.lifecycle import digest
from tieout.decide.policy import Policy
from tieout.decide.reading import Reading
from tieout.decide.verdicts import RESOLVED, Judged
from tieout.decide.words import Words
from tieout.model.amounts import HUNDRED, ONE, ZERO, dec, exact, plain, ratio, truncate
from tieout.model.case import Approved, Refused
from tieout.model.changes import SubmitOrder
from tieout.model.discrepancy import ActionKind, ActionStatus, Difference, Key
from tieout.model.pairing import LegPair, pair_legs
from tieout.model.report import Action
from tieout.model.settings import CRYPTO_UNIT, AssetSettings
from tieout.model.snapshot import OrderSide, Position

UNITS_UNKNOWN, LEGS_NETTED, NO_PRICE = "units_unknown", "legs_netted", "no_price"
UNKNOWN_WORTH, ABOVE_MAX = "unknown_worth", "above_send_max_usd"
BELOW_STEP, BELOW_QUANTITY, BELOW_NOTIONAL = "below_step", "below_min_quantity", "below_min_notional_usd"
CENT = Decimal("0.01")

Sent = tuple[tuple[Action, ...], Approved | Refused]


def send(judged: Judged, reading: Reading, named: tuple[str, ...], words: Words) -> Sent:
    """What is done about a case with a position, under SYNC_TO_LOCAL.

    The plan goes by a fingerprint of its own: leave to book something for this case is no leave to send an order for it.

    Args:
        judged: The case and its verdict.
        reading: The reading it stands in.
        named: The identities of its breaks.
        words: What people said of its plan.

    Returns:
        The actions to report, and the plan: refused where it is forbidden, not to be had, or waits for a person.
    """
    verdict, keys = judged.verdict, [key for key in judged.votes if key.domain == "position"]
    found = forbidden(judged, reading)
    order = found if isinstance(found, str) else order_towards_local(keys[0], reading)
    if isinstance(order, str):
        fingerprint = _fingerprint(judged, reading, named, None)
        actions = (_submit(judged, named, keys[0], ActionStatus.SKIPPED, order), _alert(judged, named, order))
        return actions, Refused(fingerprint, named, verdict.strategy, order)
    fingerprint = _fingerprint(judged, reading, named, order)
    asks = verdict.approval or (verdict.reason != RESOLVED and needs_a_person(judged, reading))
    status = _status(fingerprint, words, asks=asks)
    told = (_alert(judged, named, verdict.reason),) if verdict.alert else ()
    action = _submit(judged, named, keys[0], status, verdict.reason, order.side)
    if status is not ActionStatus.PLANNED:
        why = "rejected" if status is ActionStatus.SKIPPED else verdict.reason
        return (action, *told), Refused(fingerprint, named, verdict.strategy, why)
    attempt = words.approved[fingerprint].times - 1 if fingerprint in words.approved else 0
    return (action, *told), Approved(fingerprint, named, verdict.strategy, (order,), verdict.reason, attempt)


def _status(fingerprint: str, words: Words, *, asks: bool) -> ActionStatus:
    if fingerprint in words.rejected:
        return ActionStatus.SKIPPED
    free = not asks or fingerprint in words.approved
    return ActionStatus.PLANNED if free else ActionStatus.AWAITING_APPROVAL


def _fingerprint(judged: Judged, reading: Reading, named: tuple[str, ...], order: SubmitOrder | None) -> str:
    """Of the case, and of what is sent for it; prices move, and are capped anew by whoever carries it out."""
    terms = "" if order is None else f"{order.asset} {order.position_side} {order.side} {order.quantity}"
    return digest([reading.fingerprint(judged.case, named), ActionKind.SUBMIT_ORDER, terms])


def _submit(
    judged: Judged, named: tuple[str, ...], key: Key, status: ActionStatus, reason: str, side: OrderSide | None = None
) -> Action:
    detail = {"asset": key.asset, "position_side": key.leg, "reason": reason}
    detail |= {} if side is None else {"side": side}
    return Action(
        action=ActionKind.SUBMIT_ORDER,
        strategy=judged.verdict.strategy,
        status=status,
        discrepancy_ids=named,
        detail=detail,
    )


def _alert(judged: Judged, named: tuple[str, ...], reason: str) -> Action:
    return Action(
        action=ActionKind.ALERT,
        strategy=judged.verdict.strategy,
        status=ActionStatus.PLANNED,
        discrepancy_ids=named,
        detail={"reason": reason},
    )


@exact
def order_towards_local(key: Key, reading: Reading) -> SubmitOrder | str:
    """The order that brings the broker's position to local's, or in a word why there is none.

    It never overshoots, and never crosses zero: where the sides point in opposite ways it closes what the broker holds, and
    what that leaves open is the next reading's.
    """
    difference, told = reading.differences[key], reading.settings.asset(key.asset)
    pair = _pair(key, reading)
    if pair is None:
        return LEGS_NETTED
    if not _same_units(pair, told):
        return UNITS_UNKNOWN
    side: OrderSide = "sell" if difference.difference > 0 else "buy"
    held = difference.broker_amount * difference.difference > 0  # the order makes it smaller
    units = min(abs(difference.difference), abs(difference.broker_amount)) if held else abs(difference.difference)
    step = reading.settings.order_step(key.asset)
    quantity = dec(plain(units // (pair.broker_scale * step) * step))
    price, tick = _last_price(pair), reading.settings.price_tick(key.asset)
    limit = None if price is None else _limit(price, side, reading.policy.collar_percent, tick)
    if price is None or limit is None:
        return NO_PRICE
    usd = _worth(difference, quantity * pair.broker_scale, _dearer(pair, price, limit))
    why = _too_small(quantity, usd, told, reading.settings.min_quantity(key.asset)) or _too_large(usd, reading.policy)
    if why is not None or usd is None:
        return why or UNKNOWN_WORTH
    stated = _held(reading.broker.positions if reading.broker else (), key)
    # What is set aside is not local's to close: a venue that held less than that would refuse to reduce it.
    reduces = held and stated * difference.difference > 0 and quantity <= abs(stated)
    sign = -1 if side == "sell" else 1
    return SubmitOrder(
        asset=key.asset,
        side=side,
        quantity=quantity,
        limit_price=limit,
        reduce_only=reduces,
        position_side=key.leg,
        usd=usd,
        local_amount=_held(reading.local.positions if reading.local else (), key),
        broker_amount=stated,
        leaves=difference.difference + sign * quantity * pair.broker_scale,
    )


def _pair(key: Key, reading: Reading) -> LegPair | None:
    """Both sides of the leg; None where the sum of the broker's legs was compared, which no single order trades."""
    assert reading.local is not None and reading.broker is not None, "a position was compared"
    local = [row for row in reading.local.positions or () if row.asset == key.asset]
    broker = [row for row in reading.broker.positions or () if row.asset == key.asset]
    if key.leg == "net" and any(row.leg != "net" for row in broker if row.amount):
        return None
    aside = reading.settings.unmanaged.get(key.asset, ZERO)
    return next((pair for pair in pair_legs(local, broker, aside) if pair.leg == key.leg), None)


def _held(rows: tuple[Position, ...] | None, key: Key) -> Decimal:
    """A leg as one side states it, in its own units."""
    return sum((row.amount for row in rows or () if row.asset == key.asset and key.leg in ("net", row.leg)), ZERO)


def _same_units(pair: LegPair, told: AssetSettings) -> bool:
    """Whether a unit of the difference is known to be one at the broker, or what it counts there is stated."""
    if pair.scaled or pair.local_row is None:
        return True
    usual = told.multiplier or ONE
    ours, theirs = (row.multiplier if row and row.multiplier else usual for row in (pair.local_row, pair.broker_row))
    return ours == theirs


def _last_price(pair: LegPair) -> Decimal | None:
    """The broker's last price, else local's; None where neither has a usable one."""
    prices = (row.market_price for row in (pair.broker_row, pair.local_row) if row is not None)
    return next((price for price in prices if price is not None and price > 0), None)


def _dearer(pair: LegPair, price: Decimal, limit: Decimal) -> Decimal:
    """By how much a unit may be worth more than at *price*: a price of either side that is far off makes no cap wider.

    An inverse contract is worth more where its price is lower, so both ways count.
    """
    prices = [row.market_price for row in (pair.broker_row, pair.local_row) if row is not None and row.market_price]
    known = [limit, *(each for each in prices if each > 0)]
    return max(ratio(max(known), price), ratio(price, min(known[1:])), ONE)


def _limit(price: Decimal, side: OrderSide, collar_percent: Decimal, tick: Decimal | None) -> Decimal | None:
    """The worst price to take, rounded to the tick towards the last price; None where none above 0 is left."""
    away = price * collar_percent.scaleb(-2)
    tick = tick or CRYPTO_UNIT
    limit = truncate(price + away, tick) if side == "buy" else _raised(price - away, tick)
    return dec(plain(limit)) if limit > 0 and collar_percent < HUNDRED else None


def _worth(difference: Difference, units: Decimal, dearer: Decimal) -> Decimal | None:
    """What *units* of a difference are worth at most, in USD, rounded up to a cent; None where nobody knows."""
    if difference.usd_value is None:
        return None
    whole = ratio(difference.usd_value * units, abs(difference.difference)) * dearer
    return _raised(whole, CENT)


def _raised(value: Decimal, unit: Decimal) -> Decimal:
    """*value*, not below 0, rounded up to a multiple of *unit*."""
    cut = truncate(value, unit)
    return cut if cut == value else cut + unit


def _too_small(quantity: Decimal, usd: Decimal | None, told: AssetSettings, least: Decimal | None) -> str | None:
    if not quantity:
        return BELOW_STEP
    if least is not None and quantity < least:
        return BELOW_QUANTITY
    if told.min_notional_usd is not None and usd is not None and usd < told.min_notional_usd:
        return BELOW_NOTIONAL
    return None


def _too_large(usd: Decimal | None, policy: Policy) -> str | None:
    """An unknown worth is above every cap."""
    if usd is None:
        return UNKNOWN_WORTH
    return ABOVE_MAX if usd > policy.send_max_usd else None
