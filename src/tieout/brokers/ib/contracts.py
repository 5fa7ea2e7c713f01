"""What an instrument's name means to TWS: one contract, or none that is traded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tieout.brokers.ib.codes import NO_INSTRUMENT
from tieout.brokers.ib.notes import POSITION
from tieout.brokers.ib.parse import asset_name
from tieout.brokers.ib.session import Session
from tieout.errors import ActionRefused, SourceError

OPTION = re.compile(r"([A-Z0-9]{1,6}) ?(\d{6}[CP]\d{8})")
PAIR = re.compile(r"[A-Z]{3}\.[A-Z]{3}")
TRADED = frozenset(("STK", "OPT", "FUT", "CASH", "FOP", "CFD", "BOND", "WAR", "FUND", "CRYPTO"))
SMART = "SMART"


class Contracts:
    """The contracts by name. A name means what the account holds under it, else the one instrument that TWS knows by it.

    Args:
        currency: In which currency an instrument trades that is not held, where TWS knows several of its name.
    """

    def __init__(self, account: str, session: Session, currency: str | None) -> None:
        self._account, self._session, self._currency = account, session, currency
        self._known: dict[str, Any] = {}

    async def find(self, asset: str, action: str) -> Any:
        """ib_async's contract for *asset*.

        Raises:
            ActionRefused: There is none, there are several, or TWS could not be asked; nothing was sent.
        """
        if not (asset.isascii() and asset.isprintable()):
            raise ActionRefused(action, "no such instrument")
        if asset not in self._known:
            try:
                found = await self._listed(asset)
            except SourceError as error:
                why = f"nothing was sent, for the instrument could not be looked up: {error.why}"
                raise ActionRefused(action, why) from None
            self._known[asset] = _only(found, action)
        return self._known[asset]

    async def _listed(self, asset: str) -> list[Any]:
        held = await self._held(asset)
        asked: list[dict[str, Any]] = [{"conId": number} for number in held]
        if not held:
            asked = [{**each, "currency": self._currency or ""} for each in _guesses(asset)]
        found = [each for terms in asked for each in await self._details(terms)]
        named = {each.contract.conId: each for each in found if _name(each) == asset}
        return [_tradable(each) for each in named.values() if each.contract.secType in TRADED]

    async def _held(self, asset: str) -> set[int]:
        answer = await self._session.ask("instruments", _positions, POSITION)
        rows = (row for row in answer.of(POSITION) if len(row) > 12 and row[2] == self._account)
        return {int(row[3]) for row in rows if row[3].isdigit() and asset_name(row[4], row[12]) == asset}

    async def _details(self, terms: dict[str, Any]) -> Iterable[Any]:
        from ib_async import Contract, RequestError

        async def question(ib: Any) -> list[Any]:
            try:
                return list(await ib.reqContractDetailsAsync(Contract(**terms)))
            except RequestError as error:
                if str(error.code) == NO_INSTRUMENT:
                    return []
                raise

        found: list[Any] = (await self._session.ask("instruments", question)).made
        wanted = terms.get("conId")
        return [each for each in found if wanted in (None, each.contract.conId)]


async def _positions(ib: Any) -> None:
    await ib.reqPositionsAsync()
    ib.client.cancelPositions()


def _guesses(asset: str) -> Iterator[dict[str, Any]]:
    """What kinds of instrument may be called so."""
    option = OPTION.fullmatch(asset)
    if option is not None:
        yield {"secType": "OPT", "localSymbol": f"{option[1]:<6}{option[2]}", "exchange": SMART}
    elif PAIR.fullmatch(asset):
        yield {"secType": "CASH", "localSymbol": asset, "exchange": "IDEALPRO"}
    else:
        yield {"secType": "STK", "localSymbol": asset, "exchange": SMART}
        yield {"secType": "FUT", "localSymbol": asset}


def _name(details: Any) -> str:
    return asset_name(details.contract.symbol, details.contract.localSymbol)


def _tradable(details: Any) -> Any:
    """The contract, where an order for it goes by itself to the best market."""
    contract = details.contract
    if SMART in details.validExchanges.split(","):
        contract.exchange = SMART
    return contract


def _only(found: list[Any], action: str) -> Any:
    if not found:
        raise ActionRefused(action, "TWS knows no such instrument that is traded from here")
    if len(found) > 1:
        raise ActionRefused(action, "several instruments are called so: say their currency in the configuration")
    return found[0]
