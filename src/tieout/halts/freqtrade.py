"""A freqtrade bot, stopped: a pair is locked, the bot paused, or stopped; each is read back before it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from tieout.books.freqtrade.rest import Freqtrade, why
from tieout.clock import Clock
from tieout.errors import SourceError
from tieout.model.halt import Halt
from tieout.model.snapshot import Json

MARK = "tieout "  # what our locks say that they are for, so that no other is ever taken away
LONG, RENEW = timedelta(days=2), timedelta(days=1)
AccountHalt = Literal["pause", "stop"]
STATES = {"pause": ("paused", "stopped"), "stop": ("stopped",)}


class FreqtradeHalts:
    """One bot (`halts.base.Halts`).

    A halt of an asset locks its pairs for entries; one of an account pauses the bot (no entries, exits go on) or stops it
    (nothing is watched any more, also no stop that is not on the exchange).

    Args:
        bot: Its interface.
        clock: What the end of locks is measured by.
        account: What a halt of the account does.
    """

    def __init__(self, bot: Freqtrade, clock: Clock, *, account: AccountHalt = "pause") -> None:
        self._bot, self._clock, self._account = bot, clock, account
        self._ours = False  # a bot that a person paused is never started

    async def follow(self, halts: Sequence[Halt], *, lifts: bool) -> str | None:
        """Lock, pause or stop as *halts* want, and read back what the bot says of itself."""
        try:
            pairs = await self._pairs(halts)
            whole = any(each.asset is None or not pairs.get(each.id) for each in halts)
            wanted = {pair: name for name, found in pairs.items() for pair in found}
            trouble = await self._stop() if whole else None
            return (
                trouble
                or await self._lock(wanted, lifts=lifts)
                or (await self._start() if lifts and not whole else None)
            )
        except SourceError as error:
            return f"freqtrade cannot be asked: {why(error)}"
        except (KeyError, TypeError, AttributeError):
            return "freqtrade does not answer as it should"

    async def _pairs(self, halts: Sequence[Halt]) -> dict[str, set[str]]:
        """The pairs that each halt of an asset is about; one without any is a halt of the account."""
        assets = {each.id: each.asset for each in halts if each.asset is not None}
        if not assets:
            return {}
        listed = set((await self._bot.ask("GET", "whitelist"))["whitelist"])
        listed |= {trade.pair for trade in await self._bot.trades()}
        return {
            name: {pair for pair in listed if asset == pair or asset in pair.replace(":", "/").split("/")}
            for name, asset in assets.items()
        }

    async def _stop(self) -> str | None:
        state, _ = await self._bot.state()
        if state in STATES[self._account]:
            return None
        await self._bot.ask("POST", self._account)
        self._ours = True
        state, _ = await self._bot.state()
        return None if state in STATES[self._account] else f"freqtrade was told to {self._account}, and is {state}"

    async def _start(self) -> str | None:
        if not self._ours:
            return None
        state, _ = await self._bot.state()
        if state != "running":
            await self._bot.ask("POST", "start")
            state, _ = await self._bot.state()
        self._ours = state != "running"
        return f"freqtrade was told to start, and is {state}" if self._ours else None

    async def _lock(self, wanted: dict[str, str], *, lifts: bool) -> str | None:
        if not wanted and not lifts:
            return None
        now = self._clock.now()
        locks = await self._locks()
        until = now + LONG
        due = [pair for pair in sorted(wanted) if not self._locked(locks, pair, now + RENEW)]
        if due:
            ends = until.strftime("%Y-%m-%dT%H:%M:%SZ")
            told = [{"pair": pair, "until": ends, "side": "*", "reason": MARK + wanted[pair]} for pair in due]
            await self._bot.ask("POST", "locks", told)
            locks = await self._locks()
        open_pairs = [pair for pair in wanted if not self._locked(locks, pair, now)]
        if open_pairs:
            return f"freqtrade was told to lock {len(wanted)} pairs, and {len(open_pairs)} of them are not"
        if lifts:
            for lock in locks:
                if str(lock.get("reason", "")).startswith(MARK) and lock["pair"] not in wanted:
                    await self._bot.ask("DELETE", f"locks/{int(lock['id'])}")
        return None

    async def _locks(self) -> list[Json]:
        listed = (await self._bot.ask("GET", "locks"))["locks"]
        return [lock for lock in listed if lock.get("active", True)]

    def _locked(self, locks: Sequence[Json], pair: str, until: object) -> bool:
        """Whether entries into *pair* are locked, on both sides, at least until then."""
        ends = int(until.timestamp() * 1000)  # type: ignore[attr-defined]
        return any(
            lock["pair"] == pair and lock.get("side", "*") == "*" and int(lock["lock_end_timestamp"]) >= ends
            for lock in locks
        )
