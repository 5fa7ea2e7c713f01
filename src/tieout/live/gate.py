"""`Gate`: which orders of one account may be sent now. It starts closed and knows no clock, no network and no books."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from tieout.brokers.base import OrderRequest
from tieout.model.halt import Halt
from tieout.model.identity import Identity

NOT_RECONCILED = "not_reconciled"
HaltMode = Literal["reduce_only", "all"]
Shut = Literal["all", "everything", "opening"]


class Gate:
    """What stands between an account's orders and its broker.

    While an account or an asset is halted, the only orders that pass are reduce-only ones that the broker itself enforces,
    against the position as both sides have it and no larger than the smaller of the two: whatever sequence of them is sent,
    and whenever they fill, no position grows. Cancels always pass, unless the account is halted in mode `all`.
    """

    def __init__(self) -> None:
        self._closed: dict[str, Shut] = {NOT_RECONCILED: "everything"}
        self._halts: tuple[Halt, ...] = ()
        self._mode: HaltMode = "reduce_only"
        self._identity = Identity()

    @property
    def halts(self) -> tuple[Halt, ...]:
        """The halts that stand."""
        return self._halts

    @property
    def closed(self) -> tuple[str, ...]:
        """The reasons, besides halts, for which it is closed, oldest first; none where it is open."""
        return tuple(self._closed)

    def follow(
        self, halts: Iterable[Halt], *, mode: HaltMode = "reduce_only", identity: Identity | None = None
    ) -> None:
        """Let *halts* be all that stand from now on, each refusing as *mode* says, under every name of its asset."""
        self._halts, self._mode, self._identity = tuple(halts), mode, identity or Identity()

    def close(self, reason: str = NOT_RECONCILED, *, to: Shut = "everything") -> None:
        """Refuse every order for *reason*, cancels too (`all`) or just those that may open, until it is opened for it."""
        self._closed[reason] = to

    def open(self, reason: str = NOT_RECONCILED) -> None:
        """Let *reason* no longer stand in the way; halts and other reasons do."""
        self._closed.pop(reason, None)

    def refusal(self, request: OrderRequest, *, local: Decimal, broker: Decimal | None, enforced: bool) -> str | None:
        """Why *request* must not be sent now; None where it may.

        Args:
            request: The order.
            local: Local's signed amount of the position that it trades, of its leg where the account has legs.
            broker: The broker's, as it was last read whole; None where it is not known.
            enforced: Whether the broker itself keeps a reduce-only order from opening anything.
        """
        against = [(reason, to != "opening") for reason, to in self._closed.items()]
        against += [(f"halted: {halt.reason}", self._mode == "all") for halt in self._concerning(request.asset)]
        if not against:
            return None
        # What refuses everything is the better answer: no smaller order would pass it.
        reason, everything = next((each for each in against if each[1]), against[0])
        if everything:
            return reason
        objection = _opens(request, local, broker, enforced=enforced)
        return None if objection is None else f"{reason}; {objection}"

    def cancel_refusal(self) -> str | None:
        """Why no order may be cancelled now; None where it may, unless the account is halted in mode `all`."""
        shut = (reason for reason, to in self._closed.items() if to == "all")
        halted = (f"halted: {halt.reason}" for halt in self._halts if halt.asset is None and self._mode == "all")
        return next(shut, None) or next(halted, None)

    def _concerning(self, asset: str) -> Iterable[Halt]:
        # A coin that is halted is halted in every pair that moves it.
        names = {asset, *asset.replace(":", "/").replace("-", "/").split("/")}
        names |= {meant for name in names for meant in self._identity.meanings(name)}
        return (halt for halt in self._halts if halt.asset is None or halt.asset in names)


def _opens(request: OrderRequest, local: Decimal, broker: Decimal | None, *, enforced: bool) -> str | None:
    """Why an order could open or enlarge a position; None where it can only make the one that there is smaller."""
    if not request.reduce_only:
        return "only reduce-only orders pass"
    if not enforced:
        return "the broker does not enforce reduce-only"
    if broker is None:
        return "the broker's position is not known"
    closing = -1 if request.side == "sell" else 1
    if local * closing >= 0 or broker * closing >= 0:
        return "there is no position on both sides that it would reduce"
    if not 0 < request.quantity <= min(abs(local), abs(broker)):
        return "it is larger than the position"
    return None
