"""Which fills are large: by worth in USD, by share of the position, and what nobody knows the worth of."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.live.virtual import START
from tieout.live.fills import LargeFills
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Balance, Fill, Observation, Position, SideError, SideFailure, Snapshot

D = Decimal
SHARE = Position("AAPL", D(100), market_price=D(150), currency="USD", settlement="cash")
FUTURE = Position("ES", D(4), market_price=D(6000), currency="USD", multiplier=D(50))
INVERSE = Position("XBT", D(-5000), market_price=D(100_000), currency="BTC", multiplier=D(1), settlement="inverse")
EURO = Position("SAP", D(10), currency="EUR", settlement="cash")
LONG = Position("ETH", D(6), "long", currency="USD")


def seen(*positions: Position, euro: str | None = None) -> Observation:
    """Both sides agree on these positions; the broker says what a euro and a bitcoin are worth."""
    price = None if euro is None else D(euro)
    balances = (Balance("EUR", D(1), usd_price=price), Balance("BTC", D(1), usd_price=D(90_000)))
    local = Snapshot("tieout.snapshot/1", "main", "local", START, positions, balances)
    return Observation(START, "main", local, replace(local, source="broker"))


def fill(asset: str, quantity: str, price: str, *, quote: str | None = None, leg: str | None = None) -> Fill:
    """A buy."""
    return Fill("f", asset, "buy", D(quantity), D(price), START, quote=quote, position_side=leg)  # type: ignore[arg-type]


def large(observation: Observation | None, one: Fill, *, usd: str | None = None, percent: str | None = None,
          settings: Settings | None = None) -> bool:  # fmt: skip
    """Whether one fill is large."""
    judge = LargeFills(
        settings or Settings(),
        lambda: observation,
        usd=None if usd is None else D(usd),
        percent=None if percent is None else D(percent),
    )
    return judge.large(one)


@pytest.mark.parametrize(
    ("observation", "one", "usd"),
    [
        (seen(SHARE), fill("AAPL", "5", "200"), "1000"),  # at the fill's price, not the market's
        (seen(FUTURE), fill("ES", "1", "6100"), "305000"),  # times the multiplier
        (seen(INVERSE), fill("XBT", "5000", "100000"), "4500"),  # contracts ÷ price, in bitcoin
        (seen(EURO, euro="1.1"), fill("SAP", "10", "100"), "1100"),  # in its currency
    ],
)
def test_a_fill_is_large_from_its_worth_in_usd_on(observation: Observation, one: Fill, usd: str) -> None:
    """Quantity × price × multiplier in USD: exactly the limit is large, a cent below it is not."""
    assert large(observation, one, usd=usd)
    assert not large(observation, one, usd=str(D(usd) + D("0.01")))


@pytest.mark.parametrize(
    ("observation", "one"),
    [
        (None, fill("AAPL", "0.001", "1")),  # nothing was ever read
        (seen(), fill("ES", "0.001", "1", quote="USD")),  # how much one contract is, nobody says
        (seen(EURO), fill("SAP", "0.001", "1")),  # what a euro is worth, nobody says
    ],
)
def test_an_unknown_worth_is_large(observation: Observation | None, one: Fill) -> None:
    """Where price in USD, multiplier or position is not known, the fill counts as large."""
    assert large(observation, one, usd="1000000")


def test_settings_tell_what_snapshots_do_not() -> None:
    """A multiplier and a price in USD from the settings make a worth known."""
    told = Settings(assets={"ES": AssetSettings(multiplier=D(50)), "EUR": AssetSettings(usd_price=D(1))})
    assert not large(seen(), fill("ES", "1", "10", quote="EUR"), usd="501", settings=told)
    assert large(seen(), fill("ES", "1", "10", quote="EUR"), usd="500", settings=told)


def test_a_fill_is_large_from_its_share_of_the_position_before_on() -> None:
    """Exactly the share is large; a short position counts as much as a long one, a leg for itself."""
    assert large(seen(SHARE), fill("AAPL", "10", "200"), percent="10")
    assert not large(seen(SHARE), fill("AAPL", "9.99", "200"), percent="10")
    assert large(seen(INVERSE), fill("XBT", "500", "1"), percent="10")
    assert not large(seen(LONG), fill("ETH", "0.5", "1", leg="long"), percent="10")
    assert large(seen(LONG), fill("ETH", "0.5", "1"), percent="10")  # of which leg, nobody says


def test_fills_since_the_last_reading_count_into_the_position_before() -> None:
    """A position that grew since it was read is the larger base; a new reading begins anew."""
    observation = seen(SHARE)
    judge = LargeFills(Settings(), lambda: observation, usd=None, percent=D(10))
    assert judge.large(fill("AAPL", "100", "1"))
    assert not judge.large(fill("AAPL", "19", "1"))
    observation = seen(SHARE)
    assert judge.large(fill("AAPL", "19", "1"))


def test_a_fill_that_opens_a_position_goes_by_its_worth() -> None:
    """It is no share of nothing: its worth decides, and where that is not looked at, it is large."""
    one = fill("AAPL", "1", "200")
    assert not large(seen(Position("AAPL", D(0), currency="USD")), one, usd="1000", percent="10")
    assert large(seen(), one, percent="10")


def test_a_side_that_failed_leaves_the_other_one() -> None:
    """Where local could not be read the broker's position counts; where neither could, the fill is large."""
    failed = SideError(SideFailure.TIMEOUT)
    one = Observation(START, "main", failed, seen(SHARE).broker)
    assert not large(one, fill("AAPL", "1", "200"), percent="10")
    assert large(Observation(START, "main", failed, failed), fill("AAPL", "1", "200"), percent="10")


def test_off_is_off() -> None:
    """With neither limit no fill is large, whatever is not known."""
    assert not large(None, fill("AAPL", "1000000", "200"))


def test_numbers_of_any_length_are_judged() -> None:
    """A fill with 64 digits neither raises into the engine nor is rounded."""
    quantity = "1." + "0" * 60 + "1"
    assert large(seen(SHARE), fill("AAPL", quantity, "1"), usd=quantity)
    assert not large(seen(SHARE), fill("AAPL", "1", quantity), usd=quantity + "1")
