"""What can be asked of an adapter about itself and its key, beside the port: for `tieout doctor`. It only reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import Struct

from tieout.model.snapshot import Section

if TYPE_CHECKING:
    from tieout.brokers.wire.wire import Wire


class KeyRights(Struct, frozen=True, kw_only=True):
    """What the venue says that a key may do. None is "it does not say", and never means no.

    Attributes:
        read: Read the account.
        trade: Send orders of any kind.
        withdraw: Send money or coins to somebody else.
        move: Move them between accounts of the same owner.
        trade_here: Send orders in the very market of this account, where a venue tells markets apart.
        bound: Whether it is bound to the addresses that requests come from.
        expires: When it ends; None where it does not, or nobody says.
        keyless: Whether the account is read without any key.
        lesser: Whether the venue makes keys that may only read.
        strange: Words of the venue for rights that are not known here; each may mean anything.
        remarks: Sentences about the key that a person should know. No amounts, no secrets.
    """

    read: bool | None = None
    trade: bool | None = None
    withdraw: bool | None = None
    move: bool | None = None
    trade_here: bool | None = None
    bound: bool | None = None
    expires: datetime | None = None
    keyless: bool = False
    lesser: bool = True
    strange: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Examined(Protocol):
    """One adapter as the doctor sees it.

    Attributes:
        origin: Where it asks: scheme, host and port, and nothing that is secret.
        wire: How it is asked; None where it is asked without one.
        markets_at: When what it knows of the venue's markets was fetched; None where it keeps nothing of the kind.
        gaps: What sections do not cover, that nobody has said to be empty.
    """

    @property
    def origin(self) -> str:
        """See above."""

    @property
    def wire(self) -> Wire | None:
        """See above."""

    @property
    def markets_at(self) -> datetime | None:
        """See above."""

    @property
    def gaps(self) -> Mapping[Section, str]:
        """See above."""

    async def get_rights(self) -> KeyRights:
        """What the key may do.

        Raises:
            SourceError: The venue could not be asked; `SourceIncomplete` where it has no such question.
        """


@runtime_checkable
class Examinable(Protocol):
    """An adapter that can be examined."""

    def examined(self) -> Examined:
        """What there is to examine. Needs no network."""


def sure(may: Iterable[object], strange: Iterable[str] = ()) -> bool | None:
    """Whether one of the flags *may* is set: no only where each is a plain no, and no *strange* right could mean it."""
    told = tuple(may)
    if any(each is True for each in told):
        return True
    return False if told and all(each is False for each in told) and not any(strange) else None
