"""dYdX v4's indexer over a world: no keys, sub-accounts, pages, and a block for every change of the world.

Source: the indexer's own routes and its OpenAPI document; where the two differ, the routes. A `Login` is one parent
sub-account: its `key` is the address, followed by ``/N`` where the parent is not 0. Orders are transactions on the chain and
cannot come this way: they are put into the world directly.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal

from tieout.brokers.simulated import World
from tieout.brokers.simulated.facts import Resting
from tieout.clock import Clock
from tieout.errors import ActionRefused
from tieout.model.amounts import ZERO, dec, exact
from tieout.model.snapshot import Activity

from . import dydx_rows as rows
from .base import Asked, Login, LoopbackVenue, Refused, Route
from .bodies import Reply, milliseconds, text
from .dydx_markets import told
from .dydx_rows import Row, Whose
from .dydx_stream import DydxStream

MOST = 1000
PARENTS = 128
FIRST_BLOCK = 1
_STATUSES = ("OPEN", "FILLED", "CANCELED", "BEST_EFFORT_CANCELED", "UNTRIGGERED", "ERROR", "BEST_EFFORT_OPENED")


class DydxVenue(LoopbackVenue):
    """dYdX's indexer.

    Args:
        world: The truth.
        logins: Parent sub-accounts.
        cash: The world's currency that is USDC here.
        clock: See `LoopbackVenue`.

    Attributes:
        isolated: The world's instruments that are held in a sub-account of their own, by its number.
        behind: How old the newest block is that the indexer has taken in.
        listed: Fields of single markets that are told otherwise than the world has them.
        told: Fields of single orders, by client id, that are told otherwise than the world has them.
    """

    kinds = frozenset(("status", "type", "marketType"))
    stream_kinds = (DydxStream,)

    def __init__(self, world: World, *logins: Login, cash: str = rows.USDC, clock: Clock | None = None) -> None:
        super().__init__(world, *logins, clock=clock)
        self._cash = cash
        self.isolated: dict[str, int] = {}
        self.behind = timedelta()
        self.listed: dict[str, Row] = {}
        self.told: dict[str, Row] = {}

    def routes(self) -> Iterable[Route]:
        """What the indexer answers of what is used here."""
        paths: dict[str, Callable[[Asked], object]] = {
            "/v4/time": self._time,
            "/v4/height": self._height,
            "/v4/addresses/{address}": self._address,
            "/v4/addresses/{address}/parentSubaccountNumber/{parent}": self._parent,
            "/v4/orders/parentSubaccountNumber": self._orders,
            "/v4/orders/{id}": self._order,
            "/v4/fills/parentSubaccountNumber": self._fills,
            "/v4/transfers/parentSubaccountNumber": self._transfers,
            "/v4/fundingPayments/parentSubaccount": self._funding,
            "/v4/perpetualMarkets": lambda asked: told(asked, self.desk.state, self.listed),
        }
        return [Route("GET", path, handler, signed=False) for path, handler in paths.items()]

    def unknown(self, asked: Asked) -> Reply:
        """Express's own page."""
        return Reply(f"<!DOCTYPE html>\n<pre>Cannot {asked.method} {asked.path}</pre>\n".encode(), 404)

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """Nothing is ever asked for that the world could refuse."""
        raise AssertionError(f"{asked.path}: {error}")

    def _time(self, _asked: Asked) -> Row:
        now = self.present()
        return {"iso": rows.iso(now), "epoch": Decimal(milliseconds(now)).scaleb(-3)}

    def _height(self, _asked: Asked) -> Row:
        return {"height": str(self._block), "time": rows.iso(self.present() - self.behind)}

    @property
    def _block(self) -> int:
        return FIRST_BLOCK + self.desk.state.count

    def _address(self, asked: Asked) -> Row:
        address = asked.names["address"]
        mine = [login for login in self.logins.values() if self.whose(login).address == address]
        if not mine:
            raise Refused(_no(404, f"No subaccounts found for address {address}"))
        return {"subaccounts": [row for login in mine for row in self._subaccounts(login)], "totalTradingRewards": "0"}

    @exact
    def _parent(self, asked: Asked) -> Row:
        login = self._login(asked.names["address"], asked.names["parent"])
        if login is None:
            raise Refused(_nobody(asked.names["address"], asked.names["parent"]))
        whose, children = self.whose(login), self._subaccounts(login)
        equity = text(sum((dec(str(child["equity"])) for child in children), ZERO))
        return {
            "subaccount": {
                "address": whose.address,
                "parentSubaccountNumber": whose.parent,
                "equity": equity,
                "freeCollateral": equity,
                "childSubaccounts": children,
            }
        }

    def _subaccounts(self, login: Login) -> list[Row]:
        positions, balances = self.desk.positions(login.account), self.desk.balances(login.account)
        return rows.subaccounts(positions, balances, self.whose(login), self._block, self._block)

    def _orders(self, asked: Asked) -> list[Row]:
        login, fields = self._asked_by(asked), asked.fields
        wanted = fields["status"].split(",") if "status" in fields else _STATUSES
        if not set(wanted) <= set(_STATUSES):
            raise Refused(_no(400, f"status must be one of {','.join(_STATUSES)}", "status"))
        limit = _limit(fields)
        if login is None:
            return []
        live_alone = not set(wanted) & {"FILLED", "CANCELED", "ERROR"}
        made = [self._made(resting, login) for resting in self._resting(login, live_alone=live_alone)]
        for bound in ("goodTilBlock", "goodTilBlockTime"):
            if f"{bound}After" in fields:
                made = [row for row in made if bound in row and _after(row[bound], fields[f"{bound}After"])]
        return [row for row in reversed(made) if row["status"] in wanted][:limit]

    def _resting(self, login: Login, *, live_alone: bool = False) -> list[Resting]:
        known = self.desk.state.account(login.account).orders
        listed = self.desk.orders(login.account) if live_alone else self.desk.all_orders(login.account)
        return [known[row.broker_order_id or ""] for row in listed]

    def _made(self, resting: Resting, login: Login) -> Row:
        row = rows.order(resting, self.whose(login)) | self.told.get(rows.client_id(resting.order), {})
        return {name: value for name, value in row.items() if value is not None}

    def _order(self, asked: Asked) -> Row:
        id_ = asked.names["id"]
        try:
            uuid.UUID(id_)
        except ValueError:
            raise Refused(_no(400, "Invalid value", "orderId")) from None
        for login in self.logins.values():
            for resting in self._resting(login):
                if rows.order_id(resting.order) == id_:
                    return self._made(resting, login)
        raise Refused(_no(404, f"Unable to find order id {id_}"))

    def _fills(self, asked: Asked) -> Row:
        """Newest first; oldest first where pages are asked for."""
        login, made = self._asked_by(asked), list[Row]()
        if login is not None:
            made = [rows.fill(row, self.whose(login)) for row in self.desk.fills(login.account)]
        return _page(asked.fields, "fills", made if "page" in asked.fields else made[::-1])

    def _transfers(self, asked: Asked) -> Row:
        login = self._asked_by(asked)
        if login is None:
            fields = asked.fields
            raise Refused(_nobody(fields["address"], fields["parentSubaccountNumber"]))
        made = [
            rows.transfer(row, self.whose(login))
            for row in _cash(self.desk.activities(login.account))
            if row.kind != "funding"
        ]
        return _page(asked.fields, "transfers", made[::-1])

    def _funding(self, asked: Asked) -> Row:
        login = self._asked_by(asked)
        made = list[Row]()
        if login is not None:
            moves = _cash(self.desk.activities(login.account))
            made = [rows.funding(row, self.whose(login)) for row in moves if row.kind == "funding"]
        return _page(asked.fields, "fundingPayments", made[::-1])

    def whose(self, login: Login) -> Whose:
        """The parent sub-account that a login is."""
        address, _, parent = login.key.partition("/")
        markets = {asset: number for number, asset in enumerate(self.world.state.instruments)}
        return Whose(address, int(parent or 0), self._cash, self.isolated, markets)

    def _login(self, address: str, parent: str) -> Login | None:
        if not parent.isdigit() or int(parent) >= PARENTS:
            what = "parentSubaccountNumber must be a non-negative integer less than 128"
            raise Refused(_no(400, what, "parentSubaccountNumber"))
        wanted = (address, int(parent))
        found = (login for login in self.logins.values() if _names(self.whose(login)) == wanted)
        return next(found, None)

    def _asked_by(self, asked: Asked) -> Login | None:
        """Whose rows a list is of; None where nobody has that sub-account, which is no error to most lists."""
        fields = asked.fields
        return self._login(fields.get("address", ""), fields.get("parentSubaccountNumber", ""))


def _cash(moves: Iterable[Activity]) -> list[Activity]:
    return [row for row in moves if row.currency is not None]


def _names(whose: Whose) -> tuple[str, int]:
    return whose.address, whose.parent


def _no(status: int, message: str, param: str | None = None) -> Reply:
    where = {} if param is None else {"param": param, "location": "query"}
    return Reply({"errors": [{"msg": message, **where}]}, status)


def _nobody(address: str, parent: str) -> Reply:
    return _no(404, f"No subaccounts found for address {address} and parentSubaccountNumber {parent}")


def _limit(fields: dict[str, str]) -> int:
    told = fields.get("limit", str(MOST))
    if not told.isdigit() or not 0 < int(told) <= MOST:
        raise Refused(_no(400, f"limit must be a positive integer that is not greater than max: {MOST}", "limit"))
    return int(told)


def _page(fields: dict[str, str], name: str, made: list[Row]) -> Row:
    """*made* cut to one page, with their count where pages are asked for."""
    limit = _limit(fields)
    if "page" not in fields:
        return {name: made[:limit]}
    start = (int(fields["page"]) - 1) * limit
    return {"pageSize": limit, "totalResults": len(made), "offset": start, name: made[start : start + limit]}


def _after(told: object, bound: str) -> bool:
    return int(str(told)) > int(bound) if bound.isdigit() else str(told) > bound
