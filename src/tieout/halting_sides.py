"""Where an account's orders come from, built from its configuration. What is lacking is told, not raised."""

from __future__ import annotations

from pathlib import Path

from tieout.config import AccountConfig
from tieout.config.halting import HaltingCommand, HaltingFlag, HaltingFreqtrade, HaltingWebhook
from tieout.errors import Problem
from tieout.halts.base import Halts
from tieout.sides import Making


def halting_side(name: str, told: AccountConfig, making: Making) -> Halts | None:
    """What halts the account *name* where its orders come from; None where nothing says."""
    match told.halting:
        case HaltingFlag(path=path, obeyed=obeyed):
            from tieout.halts.simple import FlagFile

            return FlagFile(name, Path(path), obeyed=None if obeyed is None else Path(obeyed))
        case HaltingCommand(command=command):
            from tieout.halts.simple import Command

            if not command:
                place, mend = f"accounts.{name}.halting.command", 'write ["/path/to/program", "argument"]'
                making.problems.append(Problem(making.file, place, "no program", mend))
            return Command(name, command)
        case HaltingWebhook(url=url):
            from tieout.halts.simple import Webhook

            secret = making.secrets.get(name, told.halting, "secret", side="halting")
            return Webhook(name, url, secret=None if secret is None else secret.reveal())
        case HaltingFreqtrade(url=url, username=username, account_halt=account_halt):
            from tieout.books.freqtrade.rest import Freqtrade
            from tieout.halts.freqtrade import FreqtradeHalts

            password = making.secrets.get(name, told.halting, "password", due=True, side="halting")
            bot = Freqtrade(url, username, "" if password is None else password.reveal())
            return FreqtradeHalts(bot, making.clock, account=account_halt)
        case None:
            return None
