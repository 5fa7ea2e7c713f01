"""Column types that lose nothing: SQLite keeps no decimals and no time zones of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import BigInteger, Dialect, Integer, String
from sqlalchemy.types import TypeDecorator

from tieout.model.amounts import dec, plain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# SQLite makes a column its row id only where it is called INTEGER; elsewhere that would be 32 bits.
BigId = BigInteger().with_variant(Integer(), "sqlite")


def micro(moment: datetime) -> int:
    """Whole microseconds since 1970 until an aware *moment*."""
    assert moment.tzinfo is not None, "an aware time"
    return (moment - EPOCH) // _MICROSECOND


class UtcTime(TypeDecorator[datetime]):
    """An aware moment as whole microseconds since 1970, UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Microseconds; a naive time is a bug."""
        if value is None:
            return None
        return micro(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """The moment, in UTC."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class DecimalText(TypeDecorator[Decimal]):
    """An exact decimal as plain text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Its one spelling."""
        return None if value is None else plain(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """The very same number."""
        return None if value is None else dec(value)
