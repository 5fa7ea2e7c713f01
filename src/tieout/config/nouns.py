"""What a configuration says, as frozen records. No secret is in one of them but in `AlertSettings`, which never shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tieout.config.halting import HALTING_KINDS, HaltingSource
from tieout.config.local import LOCAL_KINDS, LocalEngine, LocalFile, LocalPushed, LocalSource
from tieout.config.oidc import OidcSettings
from tieout.config.words import Seconds, Text, Url, VariableName
from tieout.decide.policy import Policy
from tieout.model.alerting import AlertSettings
from tieout.model.codec import MAX_BYTES
from tieout.model.settings import Settings
from tieout.model.snapshot import Section
from tieout.record.settings import RecordSettings

__all__ = ["HALTING_KINDS", "LOCAL_KINDS", "LocalEngine", "LocalFile", "LocalPushed", "LocalSource"]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what is read."""

    max_file_bytes: int = MAX_BYTES


class ReconciliationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When an account is reconciled, and how patiently it is read. Times in seconds, USD and percents unsigned.

    Attributes:
        enabled: False reconciles nothing.
        interval_seconds: From one scheduled reconciliation to the next.
        retry_count: How often a read is tried again that had no answer. Never an order, a wrong key or a malformed answer.
        timeout_seconds: How long a side may take to be read, tries included, or the answer about one order.
        history_seconds: How far back fills and activities are read.
        large_fill_usd: A fill worth at least this much is followed by a reconciliation; None looks at no worth.
        large_fill_percent: And one of at least this share of the position before it; None looks at no share.
    """

    enabled: bool = True
    interval_seconds: Seconds = 300
    retry_count: Annotated[int, Meta(ge=0, le=10)] = 2
    timeout_seconds: Seconds = 30
    history_seconds: Seconds = 7 * 86400
    large_fill_usd: Decimal | None = Decimal(10000)
    large_fill_percent: Decimal | None = Decimal(10)


class BrokerFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker is a snapshot file that something else writes. It takes no orders.

    Attributes:
        path: The file (tieout.snapshot/1, source "broker").
        max_age_seconds: A file that says it is older, or so far ahead, is no answer; None takes any.
    """

    path: Text
    max_age_seconds: Seconds | None = 900


class BrokerSimulated(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker is a simulated venue that runs as a process of its own.

    Attributes:
        url: Where it listens.
        account: What it calls the account; None is by the account's own name.
        poll_seconds: How often it is looked at: it tells nothing by itself.
    """

    url: Annotated[str, Meta(pattern="^https?://[^/@]+$")]
    account: Text | None = None
    poll_seconds: Seconds = 2


class BrokerStatement(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker is statements of the day's end, for daily checks. They take no orders.

    Attributes:
        path: The file, or the folder that statements are put into: the newest counts.
        format: How they are written; "flex" is Interactive Brokers' Flex XML.
        mapping: The TOML file that says which column is which field; "flex" needs none.
        account: What the statements call the account; None is by the account's own name.
        zone: The time zone of a Flex query's times; a mapping has its own.
        max_age_seconds: A statement of a moment longer ago is no answer; None takes any.
    """

    path: Text
    format: Literal["csv", "parquet", "flex"]
    mapping: Text | None = None
    account: Text | None = None
    zone: Text = "America/New_York"
    max_age_seconds: Seconds | None = 4 * 86400


class BrokerCcxt(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker is a venue that ccxt reaches.

    Attributes:
        exchange: ccxt's id of it.
        api_key_env: The environment variable that holds the key; api_key_file is a file that does. The others alike.
        wallet_address: The account's address, where the venue is a chain; it is no secret.
        assets: What the account trades, by ccxt's symbols; needed where a venue is asked asset by asset.
        accept_gaps: Sections of which the operator says that nothing is held where the adapter does not look.
        sandbox: Use the venue's test network.
        stream: Whether the venue's own stream is listened to, where it has one.
        poll_seconds: How often the venue is looked at while it tells nothing by itself.
    """

    exchange: Text
    api_key_env: VariableName | None = None
    api_key_file: Text | None = None
    secret_env: VariableName | None = None
    secret_file: Text | None = None
    password_env: VariableName | None = None
    password_file: Text | None = None
    private_key_env: VariableName | None = None
    private_key_file: Text | None = None
    wallet_address: Text | None = None
    assets: tuple[str, ...] = ()
    accept_gaps: tuple[Section, ...] = ()
    sandbox: bool = False
    stream: bool = True
    poll_seconds: Seconds = 2


class BrokerIb(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker is Interactive Brokers, through TWS or the Gateway.

    Attributes:
        account: Which account of the login it is; None is by the account's own name.
        host: Where TWS or the Gateway listens.
        port: And at which port.
        client_id: Which client of it we are; every program has another.
        zone: The zone that TWS is set to, for times that bear none.
        currency: In which currency to trade what is not held, where TWS knows several instruments of its name.
    """

    account: Text | None = None
    host: Text = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 4001
    client_id: Annotated[int, Meta(ge=0)] = 71
    zone: Text | None = None
    currency: Text | None = None


class BrokerDydx(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker is dYdX v4, read from its indexer. It needs no key, and takes no orders.

    Attributes:
        address: On the chain; it is public.
        subaccount: The parent sub-account; isolated positions that hang on it are counted in.
        url: Where the indexer listens.
        stream: Whether the venue's own stream is listened to.
        poll_seconds: How often the venue is looked at while it tells nothing by itself.
    """

    address: Annotated[str, Meta(pattern="^dydx1[0-9a-z]{6,80}$")]
    subaccount: Annotated[int, Meta(ge=0, le=127)] = 0
    url: Annotated[str, Meta(pattern="^https?://[^/@]+$")] = "https://indexer.dydx.trade"
    stream: bool = True
    poll_seconds: Seconds = 2


class BrokerAlpaca(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker is Alpaca. A key that may only read suffices for everything but acting.

    Attributes:
        api_key_env: The environment variable that holds the key's id; api_key_file is a file that does. The secret alike.
        paper: Whether the key is one of a paper account.
        url: Where it listens, if not at one of Alpaca's own two addresses.
        stream: Whether the venue's own stream of orders is listened to.
        poll_seconds: How often the venue is looked at while it tells nothing by itself.
    """

    api_key_env: VariableName | None = None
    api_key_file: Text | None = None
    secret_env: VariableName | None = None
    secret_file: Text | None = None
    paper: bool = False
    url: Annotated[str, Meta(pattern="^https?://[^/@]+$")] | None = None
    stream: bool = True
    poll_seconds: Seconds = 2


class SecretsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where secrets are that no account's table names itself.

    Attributes:
        directory: A folder with a file for each, called ACCOUNT.SETTING, such as main.api_key; None is none.
            "$NAME" is the folder that the environment variable names, such as systemd's CREDENTIALS_DIRECTORY.
        private: A file of a secret that others than its owner can read is refused.
    """

    directory: Text | None = None
    private: bool = True


class ServiceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where `tieout serve` listens.

    Attributes:
        listen: The address and the port to listen at; port 0 takes a free one. Beyond this machine it takes TLS.
        certificate: The file of the TLS certificate and what leads to its root (PEM).
        certificate_key: The file of its private key (PEM).
        behind_proxy: Something before the service speaks TLS for it, and nothing else reaches it.
        heartbeat_url_env: The environment variable with the address of a dead man's switch, which bears a token.
        heartbeat_url_file: A file that holds it.
        workers: "solo" watches all accounts in this one process; "shared" shares them with every other process that is
            started on the same PostgreSQL record with the same accounts, and goes on for those that die.
        shards: Into how many parts shared accounts are divided; the same for all processes, and no fewer than those.
        traces: The collector that is told what takes time (OpenTelemetry, OTLP over HTTP); None tells nobody.
        oidc: Through whom people may sign in besides by a password; None is nobody.
    """

    listen: Annotated[str, Meta(pattern=r"^[^:\s]+:[0-9]{1,5}$|^\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}$")] = "127.0.0.1:8710"
    certificate: Text | None = None
    certificate_key: Text | None = None
    behind_proxy: bool = False
    heartbeat_url_env: VariableName | None = None
    heartbeat_url_file: Text | None = None
    workers: Literal["solo", "shared"] = "solo"
    shards: Annotated[int, Meta(ge=1, le=4096)] = 64
    traces: Url | None = None
    oidc: OidcSettings | None = None


BrokerSource = BrokerFile | BrokerSimulated | BrokerStatement | BrokerCcxt | BrokerDydx | BrokerAlpaca | BrokerIb
BROKER_KINDS: dict[str, type[BrokerSource]] = {
    "file": BrokerFile,
    "simulated": BrokerSimulated,
    "statement": BrokerStatement,
    "ccxt": BrokerCcxt,
    "dydx": BrokerDydx,
    "alpaca": BrokerAlpaca,
    "ib": BrokerIb,
}


class AccountConfig(Struct, frozen=True):
    """What holds for one account, and where its two sides come from; None where nobody says."""

    settings: Settings = Settings()
    policy: Policy = Policy()
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    profile: str = "balanced"
    local: LocalSource | None = None
    broker: BrokerSource | None = None
    halting: HaltingSource | None = None


class Config(Struct, frozen=True):
    """A whole configuration.

    Attributes:
        general: What holds for every account that says nothing else.
        accounts: What holds for single accounts.
        limits: Bounds on what is read.
        record: Where the record is kept.
        recorded: Whether the configuration has a [record] at all.
        file: Where it was read from, for sentences.
        alerts: Where alerts go.
        secrets: Where secrets are.
        service: Where the service listens.
    """

    general: AccountConfig = AccountConfig()
    accounts: dict[str, AccountConfig] = field(default_factory=dict)
    limits: Limits = Limits()
    record: RecordSettings = RecordSettings()
    recorded: bool = False
    file: str = "configuration"
    alerts: AlertSettings = AlertSettings()
    secrets: SecretsSettings = SecretsSettings()
    service: ServiceSettings = ServiceSettings()

    def account(self, name: str) -> AccountConfig:
        """What holds for one account."""
        return self.accounts.get(name, self.general)
