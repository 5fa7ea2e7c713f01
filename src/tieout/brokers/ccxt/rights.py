"""What each of ccxt's venues says about a key: one question a venue, read field by field; what is not told is not a no.

Source: the venues' public documentation, as of 2026-11. Answers hold the key itself and names of people: nothing of an
answer is passed on but what is made of it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.parse import RowError, at_milliseconds
from tieout.brokers.ccxt.signer import linked
from tieout.brokers.examined import KeyRights, sure
from tieout.errors import SourceIncomplete

Json = dict[str, Any]
Read = Callable[[Json], KeyRights]
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_NO_ADDRESS: tuple[object, ...] = (None, "", [], "[]", ["*"], "*")


def _binance(here: str) -> Read:
    spot = ("enableSpotAndMarginTrading", "enableMargin")
    others = ("enableFutures", "enableVanillaOptions", "enablePortfolioMarginTrading", "enableFixApiTrade")
    moves = ("enableInternalTransfer", "permitsUniversalTransfer")
    known = {*spot, *others, *moves, "enableWithdrawals", "enableReading", "enableFixReadOnly"}

    def read(body: Json) -> KeyRights:
        strange = _words(name for name, each in body.items() if each is True and _power(name) and name not in known)
        due = [body.get(name) for name in spot[:1]] + [body[name] for name in (*spot[1:], *others) if name in body]
        ends = body.get("tradingAuthorityExpirationTime")
        return KeyRights(
            read=_flag(body.get("enableReading")),
            trade=sure(due, strange),
            trade_here=_flag(body.get(here)),
            withdraw=sure([body.get("enableWithdrawals")], strange),
            move=sure((body.get(name) for name in moves), strange),
            bound=_flag(body.get("ipRestrict")),
            expires=at_milliseconds(ends) if isinstance(ends, int) and ends > 0 else None,
            strange=strange,
        )

    return read


def _power(name: str) -> bool:
    return name.startswith(("enable", "permits", "allow"))


_BYBIT_READS = frozenset(
    ("ExchangeHistory", "SubMemberTransferList", "Affiliate", "NFTQueryProductList", "Advertising")
)
_BYBIT_TRADES = frozenset(
    ("Order", "Position", "SpotTrade", "OptionsTrade", "DerivativesTrade", "CopyTrading", "BlockTrade", "Earn")
)
_BYBIT_MOVES = frozenset(("AccountTransfer", "SubMemberTransfer"))
_BYBIT_PAYS = frozenset(("Withdraw", "FaitPayOrder", "FiatP2POrder", "FiatConvertBrokerOrder"))


def _bybit(body: Json) -> KeyRights:
    told = _object(body.get("result"))
    granted = {str(word) for each in _object(told.get("permissions")).values() for word in _list(each)}
    if told.get("readOnly") not in (0, 1):
        raise RowError("no word on what the key may do")
    acts = granted if told["readOnly"] == 0 else set[str]()  # else it may look at each of them, and change none
    strange = _words(acts - _BYBIT_READS - _BYBIT_TRADES - _BYBIT_MOVES - _BYBIT_PAYS)
    bound = _bound(told.get("ips"))
    return KeyRights(
        read=bool(granted),
        trade=sure([bool(acts & _BYBIT_TRADES)], strange),
        withdraw=sure([bool(acts & _BYBIT_PAYS)], strange),
        move=sure([bool(acts & _BYBIT_MOVES)], strange),
        bound=bound,
        expires=None if bound else _iso(str(told.get("expiredAt") or "")),
        strange=strange,
    )


def _okx(body: Json) -> KeyRights:
    told = _object(_list(body.get("data"))[:1] and body["data"][0])
    perm = told.get("perm")
    if not isinstance(perm, str) or not perm:
        raise RowError("no word on what the key may do")
    granted = {word.strip() for word in perm.split(",")}
    strange = _words(granted - {"read_only", "trade", "withdraw"})
    return KeyRights(
        read="read_only" in granted or "trade" in granted,
        trade=sure(["trade" in granted], strange),
        withdraw=sure(["withdraw" in granted], strange),
        bound=_bound(told.get("ip")),
        strange=strange,
    )


_KRAKEN_READS = frozenset(("query-funds", "query-open-trades", "query-closed-trades"))
_KRAKEN_LOOKS = frozenset(("query-ledger", "export-data", "create-ws-token", "access-ws"))
_KRAKEN_TRADES = frozenset(("modify-trades", "close-trades"))
_KRAKEN_PAYS = frozenset(("withdraw-funds", "add-withdraw-address", "update-withdraw-address"))
_KRAKEN_MOVES = frozenset(("add-funds", "deposit-funds", "earn-funds"))


def _kraken(body: Json) -> KeyRights:
    told = _object(body.get("result"))
    if not isinstance(told.get("permissions"), list):
        raise RowError("no word on what the key may do")
    granted = set(map(str, told["permissions"]))
    strange = _words(granted - _KRAKEN_READS - _KRAKEN_LOOKS - _KRAKEN_TRADES - _KRAKEN_PAYS - _KRAKEN_MOVES)
    lacking = sorted((_KRAKEN_READS | {"query-ledger"}) - granted)
    ends = str(told.get("validUntil") or "0")
    limited = any(str(told.get(name) or "0") != "0" for name in ("queryFrom", "queryTo"))
    return KeyRights(
        read=granted >= _KRAKEN_READS,
        trade=sure([bool(granted & _KRAKEN_TRADES)], strange),
        withdraw=sure([bool(granted & _KRAKEN_PAYS)], strange),
        move=sure([bool(granted & _KRAKEN_MOVES)], strange),
        bound=_bound(told.get("ipAllowlist")),
        expires=at_milliseconds(int(ends) * 1000) if ends.isdecimal() and int(ends) else None,
        strange=strange,
        remarks=(
            *([f"it lacks {', '.join(lacking)}, and what needs that is not read"] if lacking else []),
            *(
                ["it sees only a part of the account's history: fills outside of it look as if they never were"]
                * limited
            ),
        ),
    )


def _coinbase(body: Json) -> KeyRights:
    return KeyRights(
        read=_flag(body.get("can_view")),
        trade=_flag(body.get("can_trade")),
        withdraw=_flag(body.get("can_transfer")),
        remarks=("it sees one portfolio, and holdings in others are not read",) if body.get("portfolio_uuid") else (),
    )


_ASKED: dict[str, tuple[str, Read]] = {
    "binance": ("sapiGetAccountApiRestrictions", _binance("enableSpotAndMarginTrading")),
    "binanceusdm": ("sapiGetAccountApiRestrictions", _binance("enableFutures")),
    "binancecoinm": ("sapiGetAccountApiRestrictions", _binance("enableFutures")),
    "bybit": ("privateGetV5UserQueryApi", _bybit),
    "okx": ("privateGetAccountConfig", _okx),
    "kraken": ("privatePostGetApiKeyInfo", _kraken),
    "coinbase": ("v3PrivateGetBrokerageKeyPermissions", _coinbase),
}


async def get_rights(asking: CcxtAsking, venue: str) -> KeyRights:
    """What *venue* says that the client's key may do.

    Raises:
        SourceIncomplete: It has no such question, or none that is known here.
        SourceError: It did not answer, or not so that it can be believed.
    """
    if venue == "hyperliquid":
        return await asking.ask("rights", _hyperliquid, markets=False)
    if venue not in _ASKED:
        raise SourceIncomplete(asking.name, "rights", "nobody here knows how this venue tells what a key may do")
    method, read = _ASKED[venue]

    async def question(client: Any) -> KeyRights:
        body = await getattr(client, method)()
        return read(_object(body))

    return await asking.ask("rights", question, markets=False)


async def _hyperliquid(client: Any) -> KeyRights:
    """Reading needs no key. One that is there is the account's own, which may do all, or an agent's, which only trades."""
    if not client.privateKey:
        return KeyRights(read=True, trade=False, withdraw=False, move=False, keyless=True)
    owner, signer = (
        str(client.walletAddress).lower(),
        client.eth_get_address_from_private_key(client.privateKey).lower(),
    )
    if owner == signer or await linked(client, owner, "subAccount", "master") == signer:
        own = "it is the account's own private key, which nobody can take back; an agent's key suffices to trade"
        return KeyRights(read=True, trade=True, withdraw=True, move=True, remarks=(own,))
    if await linked(client, signer, "agent", "user") == owner:
        return KeyRights(read=True, trade=True, withdraw=False, move=False)
    stray = "it is neither this account's key nor one of an agent of it: orders with it are refused"
    return KeyRights(read=True, trade=False, remarks=(stray,))


def _object(told: object) -> Json:
    if not isinstance(told, dict):
        raise RowError("no object where one is due")
    return told


def _list(told: object) -> list[Any]:
    return told if isinstance(told, list) else []


def _flag(told: object) -> bool | None:
    return told if isinstance(told, bool) else None


def _bound(told: object) -> bool:
    return told not in _NO_ADDRESS


def _words(told: Iterable[str]) -> tuple[str, ...]:
    """Names of rights as they may be shown."""
    return tuple(sorted(word if _WORD.fullmatch(word) else "?" for word in told))


def _iso(told: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
