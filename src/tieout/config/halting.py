"""Where an account's orders come from, kind by kind, so that its halts stand there, too."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tieout.config.words import Text, Url, VariableName


class HaltingFlag(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is there while anything is halted.

    Attributes:
        path: The file.
        obeyed: Where the program writes the ids of the halts that it obeys; None takes the file for its effect.
    """

    path: Text
    obeyed: Text | None = None


class HaltingCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """A program that is started with the halts on its standard input, and prints which it obeys.

    Attributes:
        command: The program and its arguments.
    """

    command: tuple[str, ...] = ()


class HaltingWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that is told of the halts, and answers which it obeys.

    Attributes:
        url: Where to.
        secret_env: The environment variable with the secret that messages are signed with; secret_file alike.
    """

    url: Url
    secret_env: VariableName | None = None
    secret_file: Text | None = None


class HaltingFreqtrade(Struct, frozen=True, forbid_unknown_fields=True):
    """A freqtrade bot.

    Attributes:
        url: Where its interface listens.
        username: As its configuration says.
        password_env: The environment variable with its password; password_file alike.
        account_halt: What a halt of the whole account does; one of an asset locks its pairs.
    """

    url: Url
    username: Text
    password_env: VariableName | None = None
    password_file: Text | None = None
    account_halt: Literal["pause", "stop"] = "pause"


HaltingSource = HaltingFlag | HaltingCommand | HaltingWebhook | HaltingFreqtrade
HALTING_KINDS: dict[str, type[HaltingSource]] = {
    "flag": HaltingFlag,
    "command": HaltingCommand,
    "webhook": HaltingWebhook,
    "freqtrade": HaltingFreqtrade,
}
