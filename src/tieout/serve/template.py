"""The configuration that `tieout init` writes: every setting, its default and what it means, generated from the code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from tieout.config import Limits, ReconciliationSettings
from tieout.config.environment import ADDRESSES, NAMES
from tieout.config.nouns import BROKER_KINDS, HALTING_KINDS, LOCAL_KINDS, SecretsSettings, ServiceSettings
from tieout.config.oidc import OidcGroup, OidcSettings
from tieout.config.profiles import BALANCED, PROFILES
from tieout.decide.policy import Policy, Rule, default_rules
from tieout.model.alerting import AlertSettings
from tieout.model.amounts import plain
from tieout.model.settings import AssetSettings, Settings
from tieout.record.settings import RecordSettings, Retention

HEAD = """\
# Tieout. Every line that is commented out shows the default; take the # away to change it.
# A misspelt name is refused, so nothing here is ever silently ignored. A setting that is "" is not set.
"""
EXAMPLES: dict[str, object] = {
    "address": "dydx1youraddress",
    "path": "snapshot.json",
    "format": "csv",
    "folder": "engine-state",
    "url": "http://127.0.0.1:8080",
    "exchange": "binanceusdm",
    "username": "tieout",
    "issuer": "https://login.example.com/realms/desk",
    "client_id": "tieout",
    "own_url": "https://tieout.example.com",
    "roles": ("viewer",),
}
MEANINGS: dict[str, str] = {
    "threshold_usd": "a balance that differs by at most this many USD is within tolerance",
    "position_threshold_usd": "the same for positions; not set: only the smallest unit is tolerated",
    "unvalued_percent": "tolerance of a balance whose USD value is not known, in percent of the amount",
    "moderate_from_percent": "MINOR below this, MODERATE from it on",
    "critical_above_percent": "CRITICAL above this",
    "compare_cost": "also compare average prices where the amounts agree",
    "cost_percent": "average prices that differ by more than this are a COST_MISMATCH",
    "rounding_usd": "ROUNDING beyond tolerance is closed only up to this worth",
    "settle_seconds": "younger records are in flight; two readings must be this far apart to confirm",
    "venue_lag_seconds": "how far the venue's lists may trail; not set: 60",
    "search_states": "bound of the search for the records that explain a difference",
    "settlement_choices": "mixtures of cash and margin are tried for up to this many assets",
    "own_client_ids": "client ids that begin so are yours",
    "required": "sections without which a reading is incomplete; not set: what local has or the broker has rows in",
    "unmanaged": "holdings at the broker to set aside: currency or asset = amount",
    "scope": "assets that take part: include (empty: all) and exclude",
    "smallest_unit": "the least amount there is; not set: ISO 4217 for fiat, else 1e-8",
    "step": "the step in which amounts move, where it is coarser",
    "multiplier": "contract size, where the venue does not say it",
    "settlement": '"cash", "margin" or "inverse", where the venue does not say it',
    "usd_price": "USD for one unit, where the snapshots do not say it",
    "min_quantity": "the venue's smallest order of it",
    "min_notional_usd": "the least worth of an order of it",
    "price_tick": "the step of its prices; not set: 1e-8",
    "aliases": "other names of the same thing, on either side",
    "same_as": "other assets that you declare equal, such as wrapped or staked ones: their amounts add up",
    "renamed": "former names, each with the day from which on it means this, such as {FB = 2022-06-09}",
    "contract_size": "local counts units, the broker contracts of this many; prices are per unit",
    "pack_size": "the same, where the broker prices its unit as a whole: 1000PEPE is a pack of 1000",
    "broker_name": "its name at the broker, for orders, where it cannot be told from what is read",
    "local_name": "its name in the books, for what is booked there; not set: the one they use, or the one here",
    "dust_usd": "a CRITICAL break known to be worth less only warns",
    "blind_sync_max_usd": "set an unexplained number without asking, up to this worth and after three readings",
    "doubt_readings": "a broker in doubt for this many readings",
    "doubt_seconds": "and this long halts; not set: 60, or three times venue_lag_seconds",
    "unreadable_seconds": "a side that was not read whole for this long halts",
    "realert_seconds": "how often a side that cannot be read is said again",
    "lost_order_seconds": "an order only local knows is lost after lookups over this time",
    "lost_order_lookups": "and at least this many answers of no such order",
    "changes_per_hour": "more changed cases an hour than this halt",
    "heals_per_hour": "the same for what the broker's own records heal",
    "cumulate_hours": "what somebody else changes is judged together over this time",
    "sets_per_day": "an asset that has to be set to a number more often halts",
    "comeback_readings": "a corrected difference that is back within this many readings halts",
    "collar_percent": "an order of ours takes no price further than this from the last one",
    "send_max_usd": "no order of ours is worth more; an unknown worth is above every cap",
    "send_usd_per_day": "nor are all that were sent within 24 hours together",
    "send_wait_seconds": "how long an order of ours may rest; what is left of it is then cancelled",
    "mode": '"shadow" decides and records everything, and acts, halts and tells nothing',
    "halt_scope": 'what a halt stops: the whole "account", or only the "asset" that it is about',
    "halt_mode": 'what passes a halt: "reduce_only" lets cancels and reducing orders through, "all" nothing',
    "clean_readings": "clean complete readings after which a halt for a doubt lifts itself",
    "approval_seconds": "how long a plan waits for approval, and how long an approval counts",
    "books_read_only": "local's books cannot be written: what is to be booked is said, and not done",
    "four_eyes": "what one person wants resolved otherwise, another has to approve",
    "max_file_bytes": "larger files are refused",
    "rules": "",
    "enabled": "false reconciles nothing",
    "interval_seconds": "from one scheduled reconciliation to the next",
    "retry_count": "how often a read without an answer is tried again; never an order, a wrong key or a malformed answer",
    "timeout_seconds": "how long a side may take to be read, tries included, or the answer about one order",
    "history_seconds": "how far back fills and activities are read",
    "large_fill_usd": "a fill worth at least this much is followed by a reconciliation",
    "large_fill_percent": "and one of at least this share of the position before it",
    "local.file": "Another program writes local's snapshot (tieout.snapshot/1), each time whole: a new file, then a rename",
    "local.engine": "The state folder of Tieout's own engine, to be checked while that engine is not running",
    "watch_seconds": "how often it is looked whether the file was written, which starts a reading",
    "local.pushed": "Another program pushes its books over HTTP, with `tieout.client` or plain requests: see docs/books.md",
    "halting.flag": "Halts stand where orders come from, too: a file is there while anything is halted",
    "halting.command": "The same by a program, which is started with the halts on its standard input",
    "halting.webhook": "The same by an address, which is told of them and answers which it obeys",
    "halting.freqtrade": "The same at a freqtrade bot: pairs are locked, the bot is paused or stopped",
    "obeyed": "where the program writes which halts it obeys; not set: the file is taken for its effect",
    "command": "the program and its arguments; no shell reads them",
    "account_halt": "what a halt of the whole account does, pause or stop; one of an asset locks its pairs",
    "local.sql": "A database of any kind, read by queries, and never written: see docs/books.md",
    "url_env": "the environment variable with the database's address, as SQLAlchemy writes it",
    "url_file": "",
    "positions": "a table with query, one SELECT, and columns (field = column); without one the section is not fetched",
    "balances": "the same",
    "orders": "the same",
    "fills": "the same",
    "activities": "the same",
    "as_of": "a query for the moment that the books speak of; not set: the moment of reading",
    "local.freqtrade": "A freqtrade bot, by its REST interface, or else by its database: see docs/books.md",
    "username": "as its configuration says",
    "database": "its SQLite file, which is only read; counts where there is no url",
    "dry_run": "it is meant to trade on paper",
    "correction_seconds": "how long a correction is waited for: until it is taken, and then until the books show it",
    "hook_url": "where it is told that corrections wait; not set: nobody is, and they are fetched",
    "hook_secret_env": "the environment variable with the secret that such a message is signed with",
    "hook_secret_file": "",
    "directory": "a folder with a file for each, called ACCOUNT.SETTING, such as main.api_key, or $VARIABLE",
    "private": "refuse a secret in a file that others than its owner can read",
    "folder": "where its books are kept",
    "broker.file": "Something else writes the broker's snapshot; it takes no orders",
    "broker.simulated": "A simulated venue that runs as a process of its own (python -m tieout.brokers.simulated.server)",
    "broker.ccxt": "A venue that ccxt reaches. No secret stands here: only the name of where it is",
    "broker.dydx": "dYdX v4, read from its public indexer: no key is needed, and it takes no orders",
    "broker.alpaca": "Alpaca. No secret stands here, only the name of where it is; a key that may read suffices for reading",
    "paper": "the key is one of a paper account",
    "stream": "listen to the venue's own stream, where it has one: what it tells of is read at once",
    "poll_seconds": "how often the venue is looked at while it tells nothing by itself",
    "address": "the account's address on the chain; it is public",
    "subaccount": "the parent sub-account, 0 to 127; isolated positions that hang on it are counted in",
    "broker.ib": "Interactive Brokers, through TWS or the Gateway, which must be logged in",
    "host": "where it listens",
    "port": "and at which port: 4001 is the Gateway, 7496 TWS, 4002 and 7497 their paper accounts",
    "client_id": "which client of TWS this is; every program needs another",
    "broker.statement": "Statements of the day's end, for daily checks: see docs/statements.md",
    "format": "csv, parquet, or flex: Interactive Brokers' Flex XML",
    "mapping": "the TOML file that says which column is which field; flex needs none",
    "zone": "the time zone of times that bear none; a mapping of statements has its own",
    "currency": "in which currency to trade what is not held, where TWS knows several of its name",
    "path": "the file",
    "own": "nobody but Tieout writes it: what it holds it holds now, and approved changes are written into it",
    "writable": "write approved changes into the file; only where its writer takes them over",
    "max_age_seconds": "a file that says it is older, or as far ahead, counts as not read, and never as what is held now",
    "url": "where it listens",
    "account": "what it calls the account; not set: its name here",
    "exchange": "ccxt's id of the venue",
    "api_key_env": "the environment variable that holds the API key",
    "api_key_file": "or a file that does, such as a container's secret",
    "secret_env": "the same for the secret",
    "secret_file": "",
    "password_env": "and for the passphrase, where the venue has one",
    "password_file": "",
    "private_key_env": "and for the private key, where the venue is a chain",
    "private_key_file": "",
    "wallet_address": "the account's address there; it is no secret",
    "assets": "what the account trades, by ccxt's symbols; needed where a venue is asked asset by asset",
    "accept_gaps": "sections of which you say that nothing is held where the adapter does not look",
    "sandbox": "use the venue's test network",
    "urls": "addresses as apprise reads them; file:PATH is a file, its owner's only, with one a line. Always in the log, too",
    "escalate_urls": "the same, for a CRITICAL alert that stands unresolved",
    "escalate_seconds": "for how long it has to stand",
    "store": "a SQLite file, or a URL of PostgreSQL: postgresql://user@host/name",
    "keys": "the folder of the log's key and the master key; keep a copy of it elsewhere",
    "side_file": "where the last signed head is kept besides; not set: in keys. Best on another disk than the store",
    "witness_seconds": "acting stops where no witness has cosigned the log for this long",
    "heartbeat_seconds": "how often the log says that nothing happened",
    "timestamps": "URL of an RFC 3161 authority that stamps the log's head",
    "timestamp_roots": "the root certificates (PEM) that its stamps are held against",
    "timestamp_hours": "hours between two stamps",
    "observations": "what both sides said",
    "reports": "what was found",
    "breaks": "closed breaks and their lives",
    "decisions": "what was decided",
    "actions": "what was intended, and what became of it; one that nobody saw the end of is kept for ever",
    "alerts": "alerts that went out",
    "listen": "address and port; port 0 takes a free one. Beyond this machine it takes TLS",
    "certificate": "the file of the TLS certificate and what leads to its root (PEM)",
    "certificate_key": "the file of its private key (PEM)",
    "heartbeat_url_env": "the variable with the address of a dead man's switch: called each minute while all is well",
    "heartbeat_url_file": "",
    "behind_proxy": "something before the service speaks TLS for it, and nothing else reaches it",
    "workers": '"solo" watches all accounts in one process; "shared" shares them among all that run on one PostgreSQL record',
    "oidc": "Whom people may sign in through besides a password (OpenID Connect): see docs/service.md. tieout[oidc] has it",
    "issuer": "its URL, as it calls itself; https, or on this machine http://127.0.0.1",
    "oidc.client_id": "what it calls this service",
    "own_url": "where people reach this service; it sends them back to OWN_URL/login/oidc/answer",
    "client_secret_env": "the environment variable with the secret that it gave this service; it, or the file, is needed",
    "client_secret_file": "",
    "label": "what the button says: Sign in with LABEL",
    "claim": "which claim of its ID token lists somebody's groups",
    "scopes": "what it is asked for besides openid",
    "groups": "What the members of a group may; one table each. Who is in none of them may nothing",
    "roles": "viewer, operator, approver, books, admin: one or several",
    "accounts": "for these accounts alone; not set: all of them",
    "group.amounts": "show them amounts, whatever their roles",
    "shards": "into how many parts shared accounts are divided; the same for all workers, and no fewer than those",
    "traces": "the collector of OpenTelemetry spans (OTLP over HTTP), such as http://127.0.0.1:4318",
}


def render_template(account: Sequence[str] = (), profile: str | None = None) -> str:
    """The commented configuration, as TOML; with an *account*, as lines, and a *profile*, where one was picked."""
    parts = [
        HEAD,
        *_profiles(profile),
        "",
        "[settings]",
        *_lines(Settings, leave=("unmanaged", "scope", "assets", "listed")),
    ]
    parts += ["", "# [settings.unmanaged]", f"# {MEANINGS['unmanaged']}", '# BTC = "0.5"']
    parts += ["", "# [settings.scope]", f"# {MEANINGS['scope']}", "# include = []", '# exclude = ["XYZ"]']
    parts += ["", '# [assets."BTC/USD"]', *_lines(AssetSettings)]
    parts += ["", "[reconciliation]", *_lines(ReconciliationSettings), "", *_accounts(account)]
    parts += ["", "[limits]", *_lines(Limits), "", "[policy]", *_lines(Policy, leave=("rules",)), "", *_rules()]
    parts += ["", "# Where alerts go. They hold secrets: better in the environment, or in a file.", "[alerts]"]
    parts += _lines(AlertSettings)
    parts += ["", "# Secrets that no account names itself.", "[secrets]", *_lines(SecretsSettings)]
    parts += ["", "# Where `tieout serve` listens.", "[service]", *_lines(ServiceSettings, leave=("oidc",))]
    parts += ["", f"# {MEANINGS['oidc']}", "# [service.oidc]", *_lines(OidcSettings, leave=("groups",), of="oidc.")]
    parts += ["", f"# {MEANINGS['groups']}", "# [service.oidc.groups.GROUP]", *_lines(OidcGroup, of="group.")]
    parts += ["", "# The record of a service; files that are compared by hand are not recorded.", "[record]"]
    parts += _lines(RecordSettings, leave=("witnesses", "retention"))
    parts += ["", "# [record.witnesses]", "# who cosigns the log's heads: its key (as it prints it) = its URL"]
    parts += ["", "# [record.retention]", "# days after which content is erased; entries and proofs stay for ever"]
    parts += _lines(Retention)
    return "\n".join(parts) + "\n"


def _profiles(picked: str | None) -> list[str]:
    lines = ["# A ready profile: several settings at once. What this file says itself counts over it."]
    lines += [f"#   {name}: {profile.summary}" for name, profile in PROFILES.items()]
    lines += [
        f'# profile = "{BALANCED}"' if picked is None else f'profile = "{picked}"',
        "",
        "# Before this file counts what the environment says:",
    ]
    return lines + [f"#   {name} = {meant.table}.{meant.setting}" for name, meant in {**NAMES, **ADDRESSES}.items()]


def _accounts(told: Sequence[str]) -> list[str]:
    lines = ["# An account, and what holds for it only: any of the settings, a profile, a policy, a pace of its own."]
    lines += ["# [accounts.main]", "# [accounts.main.policy]", "# [accounts.main.reconciliation]"]
    lines += ["# Where its two sides come from: `tieout check` reconciles the accounts that say so."]
    lines += ["", *told] if told else []
    for side, kinds in (("local", LOCAL_KINDS), ("broker", BROKER_KINDS), ("halting", HALTING_KINDS)):
        for kind, settings in kinds.items():
            lines += ["", f"# {MEANINGS[f'{side}.{kind}']}.", f"# [accounts.main.{side}]", f'# kind = "{kind}"']
            lines += _lines(settings)
    return lines


def meaning(name: str, of: str = "") -> str:
    """What a setting means, in a table where it may mean something else than in others."""
    return MEANINGS[of + name] if of + name in MEANINGS else MEANINGS[name]


def _lines(kind: type[Struct], leave: tuple[str, ...] = (), of: str = "") -> list[str]:
    lines = []
    for each in fields(kind):
        if each.name not in leave:
            value = toml_of(EXAMPLES[each.name]) if each.required else toml_of(each.default)
            lines += [f"# {meaning(each.name, of)}"] if meaning(each.name, of) else []
            lines.append(f"# {each.name} = {value}")
    return lines


def _rules() -> list[str]:
    lines = [
        "# Rules are tried in their order, yours before these; the first that matches wins.",
        "# The default table:",
    ]
    for rule in default_rules(Policy().dust_usd):
        lines.append("#")
        lines.append("# [[policy.rules]]")
        lines += [f"# {name} = {toml_of(value)}" for name, value in _given(rule).items()]
    return lines


def _given(rule: Rule) -> dict[str, object]:
    rows = {each.name: (getattr(rule, each.name), each.default) for each in fields(rule)}
    return {name: value for name, (value, default) in rows.items() if value != default}


def toml_of(value: Any) -> str:
    """A value as TOML writes it."""
    if value is None:
        return '""  # not set'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f'"{plain(value)}"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml_of(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml_of(each)}" for name, each in value.items()) + " }"
    # What shows on a screen is escaped by JSON as it is by TOML.
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)
