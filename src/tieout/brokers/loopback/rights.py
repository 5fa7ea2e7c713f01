"""What a key may do, as each venue tells it.

Source: the venues' public documentation, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Collection

Json = dict[str, object]
ALL = frozenset(("read", "trade"))

_KRAKEN = {
    "read": ("query-funds", "query-open-trades", "query-closed-trades", "query-ledger"),
    "trade": ("modify-trades", "close-trades"),
    "withdraw": ("withdraw-funds",),
}


def binance(may: Collection[str]) -> Json:
    """`/sapi/v1/account/apiRestrictions`."""
    trades, moves = "trade" in may, "move" in may
    return {
        "ipRestrict": "bound" in may, "createTime": 1623840271000, "enableReading": "read" in may,
        "enableWithdrawals": "withdraw" in may, "enableInternalTransfer": moves, "permitsUniversalTransfer": moves,
        "enableMargin": False, "enableFutures": trades, "enableVanillaOptions": False, "enableFixApiTrade": False,
        "enableFixReadOnly": False, "enableSpotAndMarginTrading": trades, "enablePortfolioMarginTrading": False,
    }  # fmt: skip


def bybit(may: Collection[str]) -> Json:
    """The result of `/v5/user/query-api`."""
    only = not {"trade", "withdraw", "move"} & set(may)
    trades, pays = "trade" in may or only, "withdraw" in may
    wallet = [word for word, has in (("AccountTransfer", "move" in may), ("Withdraw", pays)) if has]
    permissions = {
        "ContractTrade": ["Order", "Position"] * trades, "Spot": ["SpotTrade"] * trades, "Wallet": wallet,
        "Options": [], "Derivatives": [], "Exchange": ["ExchangeHistory"], "Earn": [], "NFT": [], "Affiliate": [],
    }  # fmt: skip
    return {
        "id": "1", "note": "n", "apiKey": "k", "readOnly": int(only), "secret": "", "permissions": permissions,
        "ips": ["192.0.2.1"] if "bound" in may else ["*"], "type": 1, "deadlineDay": 60, "uta": 1, "unified": 1,
        "expiredAt": "2031-01-01T00:00:00Z", "createdAt": "2026-01-01T00:00:00Z", "userID": 1, "isMaster": True,
    }  # fmt: skip


def okx(may: Collection[str]) -> Json:
    """What `/api/v5/account/config` says of the key."""
    words = ["read_only", *(word for word in ("trade", "withdraw") if word in may)]
    return {"perm": ",".join(words), "ip": "192.0.2.1" if "bound" in may else "", "label": "l"}


def kraken(may: Collection[str]) -> Json:
    """The result of `/0/private/GetApiKeyInfo`."""
    return {
        "apiKeyName": "n", "apiKey": "k", "nonce": "1", "nonceWindow": 0, "iban": "i", "validUntil": "0", "queryFrom": "0",
        "permissions": [word for right, words in _KRAKEN.items() if right in may for word in words], "queryTo": "0",
        "createdTime": "1772542900", "modifiedTime": "1772543095", "lastUsed": "1772627061",
        "ipAllowlist": ["192.0.2.1"] if "bound" in may else [],
    }  # fmt: skip


def coinbase(may: Collection[str]) -> Json:
    """`/api/v3/brokerage/key_permissions`."""
    rights = {f"can_{theirs}": ours in may
              for theirs, ours in (("view", "read"), ("trade", "trade"), ("transfer", "withdraw"))}  # fmt: skip
    return {**rights, "portfolio_uuid": "00000000-0000-0000-0000-000000000001", "portfolio_type": "DEFAULT"}
