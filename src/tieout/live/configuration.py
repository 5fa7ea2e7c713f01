"""What an account is judged by, and how it is kept."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tieout.decide import Policy
from tieout.model.settings import Settings


class Configuration(Struct, frozen=True):
    """What an account is judged by."""

    settings: Settings
    policy: Policy


def decode_configuration(raw: bytes) -> Configuration:
    """Settings and policy, as they were kept."""
    return _configuration.decode(raw)


_configuration = msgspec.msgpack.Decoder(Configuration)
