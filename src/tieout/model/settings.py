"""What comparing and explaining may be told about an account. Every figure of the contract is here, with its default."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec import Struct, field

from tieout.model.amounts import ONE, divided
from tieout.model.instrument import Instrument
from tieout.model.snapshot import Section, Settlement

# ISO 4217 minor units that are not 2; everything that is no fiat currency has 1e-8.
_MINOR_UNITS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
    "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3, "CLF": 4, "UYW": 4,
}  # fmt: skip
_TWO_DIGITS = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWL".split()
)
CRYPTO_UNIT = Decimal("1e-8")


class AssetSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a user knows of one asset or currency better than the snapshots do; None means not told."""

    smallest_unit: Decimal | None = None
    step: Decimal | None = None
    multiplier: Decimal | None = None
    settlement: Settlement | None = None
    usd_price: Decimal | None = None
    min_quantity: Decimal | None = None
    min_notional_usd: Decimal | None = None
    price_tick: Decimal | None = None
    aliases: tuple[str, ...] = ()
    same_as: tuple[str, ...] = ()
    renamed: dict[str, date] | None = None
    contract_size: Decimal | None = None
    pack_size: Decimal | None = None
    broker_name: str | None = None
    local_name: str | None = None

    @property
    def units(self) -> Decimal:
        """How much of local's unit one unit at the broker is."""
        return self.contract_size or self.pack_size or ONE


class AssetScope(Struct, frozen=True, forbid_unknown_fields=True):
    """Which assets an account limits itself to: empty `include` means all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def admits(self, name: str) -> bool:
        """Whether rows of *name* take part."""
        return (not self.include or name in self.include) and name not in self.exclude


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """One account's settings for comparing and explaining. USD values and percents are unsigned, times in seconds.

    `listed` is nobody's setting: what the venue itself says, in its own units, under the names that are used here. The steps
    in it are those of orders: no difference is a rounding for the venue's sake, only for a `step` that a person told.
    """

    threshold_usd: Decimal = Decimal(10)
    position_threshold_usd: Decimal | None = None
    unvalued_percent: Decimal = Decimal(1)
    moderate_from_percent: Decimal = Decimal(1)
    critical_above_percent: Decimal = Decimal(5)
    compare_cost: bool = False
    cost_percent: Decimal = Decimal("0.1")
    rounding_usd: Decimal = Decimal(10)
    settle_seconds: Decimal = Decimal(2)
    venue_lag_seconds: Decimal | None = None
    search_states: int = 16384
    settlement_choices: int = 8
    own_client_ids: tuple[str, ...] = ()
    required: tuple[Section, ...] | None = None
    unmanaged: dict[str, Decimal] = field(default_factory=dict)
    scope: AssetScope = AssetScope()
    assets: dict[str, AssetSettings] = field(default_factory=dict)
    listed: dict[str, Instrument] = field(default_factory=dict)

    @property
    def lag_seconds(self) -> Decimal:
        """How far a venue's lists may trail, in seconds."""
        return self.venue_lag_seconds if self.venue_lag_seconds is not None else Decimal(60)

    def asset(self, name: str) -> AssetSettings:
        """What was told of *name*, or nothing."""
        return self.assets.get(name, _UNTOLD)

    def smallest_unit(self, name: str, *, cash: bool) -> Decimal:
        """The smallest unit of *name*: configured, else ISO 4217's minor unit for cash of a fiat currency, else 1e-8."""
        told = self.asset(name).smallest_unit
        if told is not None:
            return told
        if cash and name in _MINOR_UNITS:
            return Decimal(1).scaleb(-_MINOR_UNITS[name])
        if cash and name in _TWO_DIGITS:
            return Decimal("0.01")
        return CRYPTO_UNIT

    def rounding_unit(self, name: str, *, cash: bool) -> Decimal:
        """The coarser of the smallest unit and the configured step."""
        unit, step = self.smallest_unit(name, cash=cash), self.asset(name).step
        return unit if step is None else max(unit, step)

    def listed_size(self, name: str) -> Decimal | None:
        """How much one of what is counted here is of, by the venue's word; None where it has none, or the user's counts."""
        told, row = self.asset(name), self.listed.get(name)
        if row is None or row.contract_size is None or told.multiplier is not None:
            return None
        return row.contract_size if told.contract_size is None else divided(row.contract_size, told.contract_size)

    def order_step(self, name: str) -> Decimal:
        """The step of orders of *name*, in local's unit: as told, else the venue's, else the smallest unit."""
        listed = self.listed.get(name)
        venues = None if listed is None else listed.quantity_step
        return self.asset(name).step or self._ours(name, venues) or self.smallest_unit(name, cash=False)

    def min_quantity(self, name: str) -> Decimal | None:
        """The smallest order of *name*, in local's unit: as told, else the venue's."""
        listed = self.listed.get(name)
        return self.asset(name).min_quantity or self._ours(name, None if listed is None else listed.min_quantity)

    def price_tick(self, name: str) -> Decimal | None:
        """The step of prices of *name*: as told, else the venue's."""
        listed = self.listed.get(name)
        tick, pack = None if listed is None else listed.price_tick, self.asset(name).pack_size
        return self.asset(name).price_tick or (tick if tick is None or pack is None else divided(tick, pack))

    def _ours(self, name: str, venues: Decimal | None) -> Decimal | None:
        return None if venues is None else venues * self.asset(name).units


_UNTOLD = AssetSettings()
