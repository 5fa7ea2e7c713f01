"""What a test or a demo can let happen at the venue, as records: the same ones in process and over the control API."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from tieout.clock import VirtualClock
from tieout.errors import ActionRefused
from tieout.model.snapshot import Activity, ActivityKind, Fill, Leg, Name, Order, OrderSide, OrderStatus

from .adapter import SimulatedBroker
from .faults import FaultRule
from .instruments import Instrument
from .world import World


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """Root of the commands; fields as in the method of `World` or `BackOffice` that it names."""


class AddAccount(_Command, frozen=True, kw_only=True, tag="add_account"):
    """`World.add_account`."""

    account: Name
    currency: Name = "USD"
    hedge_mode: bool = False


class AddInstrument(_Command, frozen=True, kw_only=True, tag="add_instrument"):
    """`World.add_instrument`."""

    instrument: Instrument


class SetPrice(_Command, frozen=True, kw_only=True, tag="set_price"):
    """`World.set_price`."""

    asset: Name
    price: Decimal
    available: Decimal | None = None


class SetUsdPrice(_Command, frozen=True, kw_only=True, tag="set_usd_price"):
    """`BackOffice.set_usd_price`."""

    currency: Name
    price: Decimal


class FillOrder(_Command, frozen=True, kw_only=True, tag="fill"):
    """`World.fill`."""

    account: Name
    broker_order_id: Name
    quantity: Decimal
    price: Decimal


class Trade(_Command, frozen=True, kw_only=True, tag="trade"):
    """`World.trade`: a manual trade, or a liquidation."""

    account: Name
    asset: Name
    side: OrderSide
    quantity: Decimal
    price: Decimal
    client_order_id: Name | None = None
    position_side: Leg | None = None
    liquidation: bool = False


class EndOrder(_Command, frozen=True, kw_only=True, tag="end"):
    """`World.end`."""

    account: Name
    broker_order_id: Name
    status: OrderStatus = "expired"


class AmendOrder(_Command, frozen=True, kw_only=True, tag="amend"):
    """`World.amend`."""

    account: Name
    broker_order_id: Name
    quantity: Decimal | None = None
    limit_price: Decimal | None = None


class Pay(_Command, frozen=True, kw_only=True, tag="pay"):
    """`BackOffice.pay`."""

    account: Name
    kind: ActivityKind
    currency: Name
    amount: Decimal


class Move(_Command, frozen=True, kw_only=True, tag="move"):
    """`BackOffice.move`."""

    account: Name
    kind: ActivityKind
    asset: Name
    amount: Decimal
    new_asset: Name | None = None
    new_amount: Decimal | None = None


class Split(_Command, frozen=True, kw_only=True, tag="split"):
    """`BackOffice.split`."""

    asset: Name
    new_for_old: Name


class Rename(_Command, frozen=True, kw_only=True, tag="rename"):
    """`BackOffice.rename`."""

    asset: Name
    new_asset: Name


class Advance(_Command, frozen=True, kw_only=True, tag="advance"):
    """Move a virtual clock forward."""

    seconds: int


Command = (
    AddAccount | AddInstrument | SetPrice | SetUsdPrice | FillOrder | Trade | EndOrder | AmendOrder
    | Pay | Move | Split | Rename | Advance
)  # fmt: skip


class Happened(Struct, frozen=True, kw_only=True):
    """What came of a command."""

    fills: tuple[Fill, ...] = ()
    orders: tuple[Order, ...] = ()
    activities: tuple[Activity, ...] = ()


class Inject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put fault rules into an account's plan, after clearing it where `clear` is set."""

    account: Name
    rules: tuple[FaultRule, ...] = ()
    clear: bool = False


def inject(broker: SimulatedBroker, command: Inject) -> None:
    """Change what goes wrong for *broker* from now on."""
    if command.clear:
        broker.faults.clear()
    for rule in command.rules:
        broker.faults.inject(rule)


def perform(world: World, command: Command) -> Happened:
    """Let *command* happen in *world*.

    Raises:
        ActionRefused: It contradicts the world as it stands; nothing happened.
    """
    match command:
        case AddAccount(account=account, currency=currency, hedge_mode=hedge_mode):
            world.add_account(account, currency=currency, hedge_mode=hedge_mode)
        case AddInstrument(instrument=instrument):
            world.add_instrument(instrument)
        case SetPrice(asset=asset, price=price, available=available):
            return Happened(fills=world.set_price(asset, price, available=available))
        case FillOrder(account=account, broker_order_id=order, quantity=quantity, price=price):
            return Happened(fills=(world.fill(account, order, quantity, price),))
        case Trade():
            return Happened(fills=(_trade(world, command),))
        case EndOrder(account=account, broker_order_id=order, status=status):
            return Happened(orders=(world.end(account, order, status),))
        case AmendOrder(account=account, broker_order_id=order, quantity=quantity, limit_price=price):
            return Happened(orders=(world.amend(account, order, quantity=quantity, limit_price=price),))
        case Advance(seconds=seconds):
            if not isinstance(world.clock, VirtualClock) or seconds < 0:
                raise ActionRefused("advance", "only a virtual clock can be moved, and only forward")
            world.clock.advance(seconds)
        case SetUsdPrice() | Pay() | Move() | Split() | Rename():
            return Happened(activities=_in_office(world, command))
    return Happened()


def _trade(world: World, command: Trade) -> Fill:
    return world.trade(
        command.account,
        command.asset,
        command.side,
        command.quantity,
        command.price,
        client_order_id=command.client_order_id,
        position_side=command.position_side,
        liquidation=command.liquidation,
    )


def _in_office(world: World, command: SetUsdPrice | Pay | Move | Split | Rename) -> tuple[Activity, ...]:
    office = world.office
    match command:
        case SetUsdPrice(currency=currency, price=price):
            office.set_usd_price(currency, price)
            return ()
        case Pay(account=account, kind=kind, currency=currency, amount=amount):
            return (office.pay(account, kind, currency, amount),)
        case Move(account=account, kind=kind, asset=asset, amount=amount):
            new, units = command.new_asset, command.new_amount
            return (office.move(account, kind, asset, amount, new_asset=new, new_amount=units),)
        case Split(asset=asset, new_for_old=ratio):
            return office.split(asset, ratio)
        case Rename(asset=asset, new_asset=new_asset):
            return office.rename(asset, new_asset)
