"""What is asked of a venue, as data: requests with the proof that their answers are whole, and the venue's quirks.

A `gap` names what a section does not cover: it is then never complete, unless the operator says that nothing is held there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec import field as default

from tieout.brokers.ccxt import cash, mend
from tieout.brokers.ccxt.ids import Ids
from tieout.brokers.ccxt.pages import Pager, Path
from tieout.brokers.ccxt.sends import Way
from tieout.brokers.ccxt.signer import Signer
from tieout.brokers.ccxt.spans import Span
from tieout.model.snapshot import Section

Json = dict[str, Any]


class Told(Struct, frozen=True):
    """What a row is read with: how the venue's ids are called, and the account's own address."""

    code: Callable[[str], str]
    asset: Callable[[str], str | None]
    address: str | None = None


Read = Callable[[Mapping[str, Any], Told], Iterable[Any]]
Own = Callable[[Json], Json]


class Each(Struct, frozen=True):
    """A list that has to be read first, for a request is due for each of its rows.

    Attributes:
        endpoint: How its URL ends.
        method: ccxt's name of the endpoint.
        named: What a row adds to the request; None where nothing is due for it.
    """

    endpoint: str
    method: str
    rows: Path
    named: Callable[[Any], Json | None]
    params: Json = default(default_factory=dict)
    pages: Pager | None = None


class Call(Struct, frozen=True):
    """One request, or a row of them.

    With *method* the endpoint is asked by itself, as far as *pages* and *span* go; without, ccxt's unified method is,
    and `page` rows or more mean that others may follow; so does a value at `more`; where both are set, both.

    Attributes:
        endpoint: How its URL ends.
        rows: Where its rows are.
        keyed: The rows are an object's values, their names their ids, and not a list.
        inner: The rows are groups, with the rows proper in this field.
        per_asset: It has to be asked for each asset by name.
        cash: How a body of balances is read.
        method: ccxt's name of the endpoint.
        pages: How it goes on; None where one answer is all.
        span: How it is told times.
        onward: What is found in one window leads on to everything later, so that further windows are not asked.
        latest: Asked without times it gives the latest rows: often that reaches far enough. Names the rows' time.
        ident: The fields by which a row is known again; none for all it says.
        told: What ccxt's parser has to be told beside the row.
        each: A list to be read first.
        address: The parameter for the account's own address, where the venue is a chain.
        turn: Lists between which a row may move are asked one behind the other, so that it is seen twice and not missed.
        read: How a row is read, where it is not ccxt's parser that does.
        own: The same for a row of a market: what `parse` needs of it, the market by the venue's id as `market`.
    """

    endpoint: str
    rows: Path = ()
    params: Json = default(default_factory=dict)
    page: int | None = None
    more: Path | None = None
    keyed: bool = False
    inner: str | None = None
    per_asset: bool = False
    cash: cash.Reader | None = None
    method: str | None = None
    pages: Pager | None = None
    span: Span | None = None
    onward: bool = False
    latest: str | None = None
    ident: tuple[str, ...] = ()
    told: Json = default(default_factory=dict)
    each: Each | None = None
    address: str | None = None
    turn: int = 0
    read: Read | None = None
    own: Own | None = None


class Known(Struct, frozen=True):
    """The request by which a venue says whether it knows an address.

    Attributes:
        denied: Why its answer is a no; None where it is a yes.
    """

    method: str
    params: Json
    denied: Callable[[Any], str | None]


class Find(Struct, frozen=True):
    """A place where one order may be found: a list that the venue narrows to it.

    Attributes:
        by_id: The parameter for the venue's id of it; None where it cannot be told.
        by_client_id: The same for the client's.
    """

    call: Call
    by_id: str | None = None
    by_client_id: str | None = None


class Venue(Struct, frozen=True):
    """A venue's scopes and quirks. A section without calls is not read."""

    positions: tuple[Call, ...] = ()
    orders: tuple[Call, ...] = ()
    fills: tuple[Call, ...] = ()
    balances: tuple[Call, ...] = ()
    activities: tuple[Call, ...] = ()
    position: mend.Mend = mend.as_it_is
    order: mend.Mend = mend.as_it_is
    fill: mend.Mend = mend.as_it_is
    gaps: dict[Section, str] = default(default_factory=dict)
    options: Json = default(default_factory=dict)
    lookup: Literal["id", "asset", "none"] = "none"  # what an order is looked up by: its id, or its id and its asset
    client_id: str | None = None  # the parameter that looks an order up by the client's id
    lookup_params: tuple[Json, ...] = ({},)  # conditional orders live apart at some venues
    finds: tuple[Find, ...] = ()  # where orders are found that cannot be looked up so
    sends: tuple[Way, ...] = ()  # what may be sent: nothing else is
    ids: Ids = Ids()  # the form of clients' ids
    signer: Signer | None = None  # why a key does not sign for the account, where the venue would book it elsewhere
    acknowledges: bool = True  # whether the answer to a submit tells how the order stands; if not, it is read back
    hedge_mode: bool = False
    fills_days: int | None = None  # how far back one request for fills reaches from its start
    known: Known | None = None  # asked once, where an account that nobody knows would look like an empty one
    at_once: int = 8  # requests under way together; 1 where a key's nonce has to grow from each request to the next

    @property
    def sections(self) -> frozenset[Section]:
        """The sections that are read here."""
        calls: dict[Section, object] = {
            "positions": self.positions, "balances": self.balances, "orders": self.orders, "fills": self.fills,
            "activities": self.activities,
        }  # fmt: skip
        return frozenset(name for name, asked in calls.items() if asked)
