"""The gate: what a halt lets through can only make a position smaller, in whatever order it is sent and filled."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.base import OrderRequest
from tieout.live.gate import NOT_RECONCILED, Gate, HaltMode
from tieout.model.halt import Halt

SINCE = datetime(2026, 11, 20, 14, tzinfo=UTC)
ACCOUNT = Halt(id="h-1", asset=None, reason="unexplained", since=SINCE)
AMOUNTS = st.integers(-20, 20).map(Decimal)


def order(
    quantity: int | Decimal, side: Literal["buy", "sell"] = "sell", asset: str = "AAPL", *, reduce_only: bool = True
) -> OrderRequest:
    return OrderRequest(
        client_order_id="c-1",
        asset=asset,
        side=side,
        quantity=Decimal(quantity),
        type="market",
        reduce_only=reduce_only,
    )


def halted(*halts: Halt, mode: HaltMode = "reduce_only") -> Gate:
    gate = Gate()
    gate.open()
    gate.follow(halts or (ACCOUNT,), mode=mode)
    return gate


def asked(
    gate: Gate, request: OrderRequest, local: int = 10, broker: int | None = 10, *, enforced: bool = True
) -> str | None:
    held = None if broker is None else Decimal(broker)
    return gate.refusal(request, local=Decimal(local), broker=held, enforced=enforced)


requests = st.builds(
    order, st.integers(0, 30), st.sampled_from(("buy", "sell")), st.just("AAPL"), reduce_only=st.booleans()
)


@given(AMOUNTS, AMOUNTS, st.lists(st.tuples(requests, st.booleans(), st.integers(0, 30), st.booleans()), max_size=12))
def test_no_sequence_of_allowed_orders_while_halted_makes_a_position_larger(
    local: Decimal, broker: Decimal, steps: list[tuple[OrderRequest, bool, int, bool]]
) -> None:
    """Partly filled, filled late or not heard of by local: neither side's position ever grows, or changes its sign."""
    gate, resting = halted(), []
    for request, enforced, filled, hears in steps:
        if gate.refusal(request, local=local, broker=broker, enforced=enforced) is None:
            resting.append(request)
        if not resting:
            continue
        # The oldest order that rests trades now, as a broker that enforces reduce-only lets it.
        trading = resting.pop(0)
        sign = 1 if trading.side == "buy" else -1
        room = max(-broker * sign, Decimal(0))
        traded = min(trading.quantity, Decimal(filled), room)
        after = broker + sign * traded
        assert abs(after) <= abs(broker)
        assert after * broker >= 0
        broker = after
        if hears and local * sign < 0 and traded <= abs(local):
            local += sign * traded


@given(AMOUNTS, st.one_of(st.none(), AMOUNTS), requests, st.booleans())
def test_what_passes_fits_into_both_positions(
    local: Decimal, broker: Decimal | None, request: OrderRequest, enforced: bool
) -> None:
    """An order passes a halt exactly if it is an enforced reduction of at most the smaller of the two positions."""
    sign = 1 if request.side == "buy" else -1
    fits = (
        request.reduce_only
        and enforced
        and broker is not None
        and local * sign < 0
        and broker * sign < 0
        and 0 < request.quantity <= min(abs(local), abs(broker))
    )
    assert (halted().refusal(request, local=local, broker=broker, enforced=enforced) is None) == fits


@given(AMOUNTS, st.one_of(st.none(), AMOUNTS), requests, st.booleans())
def test_mode_all_lets_nothing_through(
    local: Decimal, broker: Decimal | None, request: OrderRequest, enforced: bool
) -> None:
    """In mode `all` no order passes, and an account's cancels do not either."""
    gate = halted(mode="all")
    assert gate.refusal(request, local=local, broker=broker, enforced=enforced) == "halted: unexplained"
    assert gate.cancel_refusal() == "halted: unexplained"


def test_a_gate_starts_closed_and_reduces_nothing_blindly() -> None:
    """Before the first reading nothing is known to reduce: every order is refused; a cancel opens nothing and passes."""
    gate = Gate()
    assert asked(gate, order(1)) == NOT_RECONCILED
    assert gate.cancel_refusal() is None
    gate.open()
    assert asked(gate, order(1, "buy", reduce_only=False)) is None


def test_reasons_are_lifted_one_by_one() -> None:
    """Opening it for one reason leaves it closed for the others, and never lifts a halt."""
    gate = halted()
    gate.close("strategy_failed", to="opening")
    gate.close()
    gate.open()
    assert gate.closed == ("strategy_failed",)
    gate.follow(())
    assert asked(gate, order(1, "buy", reduce_only=False)) == "strategy_failed; only reduce-only orders pass"
    assert asked(gate, order(1)) is None
    gate.follow((ACCOUNT,))
    gate.open("strategy_failed")
    assert asked(gate, order(1, "buy", reduce_only=False)) == "halted: unexplained; only reduce-only orders pass"


def test_cancels_pass_a_halt() -> None:
    """Taking an order back opens nothing; in mode `all` an asset's halt does not keep the account from it."""
    assert halted().cancel_refusal() is None
    assert halted(Halt(id="h", asset="AAPL", reason="drift", since=SINCE), mode="all").cancel_refusal() is None


@pytest.mark.parametrize(
    ("asset", "stopped"),
    [
        ("AAPL", False),
        ("BTC", True),
        ("BTC/USDT", True),
        ("BTC/USDT:USDT", True),
        ("WBTC/USDT", False),
        ("BTC-USD", True),
    ],
)
def test_a_halted_asset_stops_that_asset_alone(asset: str, stopped: bool) -> None:
    """Every pair that moves the asset is stopped, everything else trades on."""
    gate = halted(Halt(id="h", asset="BTC", reason="drift", since=SINCE))
    assert (asked(gate, order(1, "buy", asset, reduce_only=False)) is not None) == stopped


def test_a_lifted_halt_lets_orders_pass_again() -> None:
    """What is followed replaces what stood."""
    gate = halted()
    assert gate.halts == (ACCOUNT,)
    gate.follow(())
    assert asked(gate, order(5, "buy", reduce_only=False)) is None


@pytest.mark.parametrize(
    ("request_", "broker", "enforced", "why"),
    [
        (order(1), None, True, "the broker's position is not known"),
        (order(1), 10, False, "the broker does not enforce reduce-only"),
        (order(11), 20, True, "it is larger than the position"),
        (order(1, "buy"), 10, True, "there is no position on both sides that it would reduce"),
        (order(1), -10, True, "there is no position on both sides that it would reduce"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_a_reduction(
    request_: OrderRequest, broker: int | None, enforced: bool, why: str
) -> None:
    """A person who wants out of a position reads what stands in the way, and no amount."""
    assert asked(halted(), request_, broker=broker, enforced=enforced) == f"halted: unexplained; {why}"
