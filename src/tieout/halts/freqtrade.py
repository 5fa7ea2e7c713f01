"""A freqtrade bot, stopped: a pair is locked, the bot paused, or stopped; each is read back before it is believed."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
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
    (nothing is watched any more, also no stop that is not on the exchange). What rests at the venue already, rests on.

    Args:
        bot: Its interface.
        clock: What the end of locks is measured by.
        account: What a halt of the account does.
    """

    def __init__(self, bot: Freqtrade, clock: Clock, *, account: AccountHalt = "pause") -> None:
        self._bot, self._clock, self._account = bot, clock, account
        self._ours = False  # a bot that a person paused or stopped is never started

    async def follow(self, halts: Sequence[Halt], *, lifts: bool) -> str | None:
        """Lock, pause or stop as *halts* want, and read back what the bot says of itself."""
        troubles = []
        whole = any(each.asset is None for each in halts)
        if whole:  # first of all, and whatever becomes of the rest
            troubles.append(await _tried(self._stop()))
        troubles.append(await _tried(self._follow(halts, lifts=lifts, stopped=whole)))
        return "; ".join(dict.fromkeys(each for each in troubles if each is not None)) or None

    async def _follow(self, halts: Sequence[Halt], *, lifts: bool, stopped: bool) -> str | None:
        """The halts of assets, and the end of those that are over."""
        pairs = await self._pairs(halts)
        # A lock keeps it from opening a trade, not from adding to one: where its strategy does that, the bot is stopped, too.
        elsewhere = not all(pairs.values()) or (bool(pairs) and (await self._bot.about()).adds)
        wanted = {pair: name for name, found in pairs.items() for pair in found}
        troubles = [await _tried(self._stop())] if elsewhere and not stopped else []
        troubles.append(await _tried(self._lock(wanted, lifts=lifts)))
        if lifts and not stopped and not elsewhere:
            troubles.append(await self._start())
        return "; ".join(each for each in troubles if each is not None) or None

    def forget(self) -> None:
        """Whoever paused the bot since is not known: it is not started."""
        self._ours = False

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
        state = await self._state()
        if state in STATES[self._account]:
            return None
        # Before it is told: an answer that is lost leaves it stopped by us all the same. Who finds it paused, and stops it
        # besides, has not to start what a person paused.
        self._ours = state != "paused"
        await self._bot.ask("POST", self._account)
        state = await self._state()
        return None if state in STATES[self._account] else f"freqtrade was told to {self._account}, and is {state}"

    async def _start(self) -> str | None:
        if not self._ours:
            return None
        state = await self._state()
        if state == STATES[self._account][0]:  # in another one a person has it by now
            await self._bot.ask("POST", "start")
            state = await self._state()
        self._ours = state == STATES[self._account][0]
        return f"freqtrade was told to start, and is {state}" if self._ours else None

    async def _state(self) -> str:
        return (await self._bot.about()).state

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


async def _tried(step: Awaitable[str | None]) -> str | None:
    """Why a step is not seen to have taken effect, whether it says so or fails."""
    try:
        return await step
    except SourceError as error:
        return f"freqtrade cannot be asked: {why(error)}"
    except (KeyError, TypeError, AttributeError, ValueError):
        return "freqtrade does not answer as it should"
