"""`tieout doctor`: looks at the broker of each configured account, and says what is to be mended. Only reads."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from tieout.bootstrap import brokers_opened, chosen
from tieout.brokers.base import BrokerAdapter
from tieout.brokers.examined import Examinable
from tieout.clock import SystemClock
from tieout.config import Config, load
from tieout.config.nouns import BROKER_KINDS, BrokerCcxt
from tieout.serve.checking import DEFAULT_FILE
from tieout.serve.doctor.examine import Case, examine
from tieout.serve.doctor.facts import Examination
from tieout.serve.output import console, sink
from tieout.serve.reported import OutputOption

WELL, TO_MEND = 0, 1
_JSON = Annotated[bool, Parameter(name="--json", help="The same as --format json.", negative=())]
_FORMAT = Annotated[Literal["table", "json"], Parameter(name=["--format", "-f"], help="How it is written.")]


def doctor(
    *accounts: str,
    format: _FORMAT = "table",  # noqa: A002 - the option's public name
    json: _JSON = False,
    output: OutputOption = None,
    config: Annotated[Path, Parameter(help="Where the accounts are configured (TOML).")] = DEFAULT_FILE,
) -> int:
    """Look at the broker of each configured account. Nothing is changed there, and nothing is kept.

    For each: how far the venue is away, its clock against this machine's, what the key may do there (and whether that is
    more than it needs: a key that may only read suffices for everything but acting), which sections are read whole, how
    often a reading could be done, and whether the venue lists instruments otherwise than the table of assets says. What is
    to be mended comes first. JSON is one account a line.

    Exit status: 0 all is well, 1 something is to be mended, 2 bad usage or input.

    Parameters
    ----------
    accounts
        Which; all that the configuration has, by default.
    """
    seen = asyncio.run(examine_accounts(load(config, None), accounts))
    if json or format == "json":
        with sink(output) as write:
            write("".join(msgspec.json.encode(each).decode() + "\n" for each in seen))
    else:
        from tieout.serve.render.doctor import render_examinations

        with console(output) as to:
            render_examinations(seen, to)
    return WELL if all(each.well for each in seen) else TO_MEND


async def examine_accounts(config: Config, names: Sequence[str]) -> list[Examination]:
    """Each account examined, in the order in which they were named. Those of one venue's limits wait for each other.

    Raises:
        BadInput: A name is not configured, or a secret is not where it should be.
    """
    clock, wanted = SystemClock(), chosen(config, names)
    turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
    async with brokers_opened(config, wanted, clock=clock) as brokers:

        async def one(name: str, broker: BrokerAdapter) -> Examination:
            async with turns[_limits(broker)]:
                return await examine(_case(config, name, broker), clock)

        return list(await asyncio.gather(*(one(name, broker) for name, broker in brokers.items())))


def _limits(broker: BrokerAdapter) -> int:
    """What tells those apart that share a venue's limits: what one spends must not be counted for another."""
    wire = broker.examined().wire if isinstance(broker, Examinable) else None
    return id(broker if wire is None else wire.limiter)


def _case(config: Config, name: str, broker: BrokerAdapter) -> Case:
    told = config.account(name)
    kind = next(kind for kind, noun in BROKER_KINDS.items() if isinstance(told.broker, noun))
    may = config.recorded and told.policy.mode == "act" and told.reconciliation.enabled
    return Case(
        account=name,
        venue=told.broker.exchange if isinstance(told.broker, BrokerCcxt) else kind,
        broker=broker,
        acts=may and broker.capabilities().acts,
        interval_seconds=told.reconciliation.interval_seconds,
        history_seconds=told.reconciliation.history_seconds,
        timeout_seconds=told.reconciliation.timeout_seconds,
        settings=told.settings,
    )
