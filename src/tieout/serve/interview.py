"""What has to be known of an account before Tieout can look at it, asked of a person in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tieout.config.profiles import BALANCED, PROFILES
from tieout.serve import asking
from tieout.serve.asking import Terminal
from tieout.serve.template import MEANINGS, toml_of

Table = dict[str, str | bool | int | tuple[str, ...] | dict[str, str]]

BROKERS = {
    "alpaca": "Alpaca",
    "ccxt": "a crypto exchange: Binance, Bybit, OKX, Kraken, Coinbase, Hyperliquid and others",
    "ib": "Interactive Brokers, through TWS or the Gateway",
    "dydx": "dYdX v4; no key is needed",
    "statement": "statements of the day's end, in files",
    "file": "a snapshot file that something else writes",
    "simulated": "a simulated venue that runs beside Tieout, for trying things out",
}
BOOKS = {
    "own": "nothing keeps them yet: a file that Tieout keeps itself",
    "file": "another program writes them into a file",
    "pushed": "another program tells them over HTTP",
    "freqtrade": "a freqtrade bot, by its REST interface",
    "sql": "a database, read by queries",
    "engine": "the folder of Tieout's own engine",
}
MONEY = {"paper": "no real money: a paper account, or a test network", "live": "real money"}
# ccxt's venues, by what they ask for; a test holds it to ccxt.
PASSPHRASE = frozenset(("kucoin", "kucoinfutures", "okx"))
WALLET = frozenset(("hyperliquid",))
LIVE_ALONE = frozenset(("bitfinex", "coinbase", "kraken", "kucoin", "kucoinfutures"))
POSITIONS = "SELECT asset, amount FROM positions"
IB_PORTS = {("gateway", "live"): 4001, ("gateway", "paper"): 4002, ("tws", "live"): 7496, ("tws", "paper"): 7497}


@dataclass(frozen=True, slots=True)
class Told:
    """An account as somebody told of it: tables for the file, by side, and the variables that are to hold its secrets."""

    name: str
    profile: str
    local: Table
    broker: Table
    variables: tuple[str, ...]


@dataclass(slots=True)
class _Interview:
    """The questions about one account, and what is known by now."""

    terminal: Terminal
    name: str = "main"
    money: str = "live"
    variables: list[str] = field(default_factory=list)

    def variable(self, what: str, default: str) -> str:
        """Which variable holds a secret; none is named twice."""
        question, check = f"The environment variable that holds {what}", asking.other_than(tuple(self.variables))
        self.variables.append(self.terminal.ask(question, check, default=default))
        return self.variables[-1]

    def paper(self) -> bool:
        """Whether it is no real money."""
        self.money = self.terminal.choose("Is it real money?", MONEY, default="paper")
        return self.money == "paper"

    def alpaca(self) -> Table:
        """Alpaca."""
        paper = self.paper()
        key = self.variable("the key's id", "ALPACA_KEY")
        return {"api_key_env": key, "secret_env": self.variable("its secret", "ALPACA_SECRET"), "paper": paper}

    def ccxt(self) -> Table:
        """A venue that ccxt reaches."""
        from tieout.brokers.ccxt.venues import VENUES

        known = ", ".join(sorted(VENUES))

        def listed(text: str) -> str:
            if text.lower() not in VENUES:
                raise ValueError(f"Tieout reads these: {known}.")
            return text.lower()

        exchange = self.terminal.ask("Which exchange, as ccxt calls it", listed, default="binanceusdm")
        told: Table = {"exchange": exchange, **self._credentials(exchange)}
        venue = VENUES[exchange]
        calls = (*venue.positions, *venue.balances, *venue.orders, *venue.fills, *venue.activities)
        if any(call.per_asset for call in calls):
            self.terminal.say("This exchange is asked asset by asset.")
            told["assets"] = self.terminal.ask("What the account trades, by ccxt's symbols", _symbols)
        return told

    def _credentials(self, exchange: str) -> Table:
        """Where a venue's keys are, and whether it is its test network."""
        upper, told = re.sub("[^A-Z]", "", exchange.upper()), Table()
        if exchange in LIVE_ALONE:
            self.terminal.say(
                "This exchange has no test network: the account is a live one. A key that may only read suffices."
            )
        else:
            told["sandbox"] = self.paper()
        if exchange in WALLET:
            said = "An address is 0x and 40 of 0-9 and a-f. It is public; the private key is not asked for."
            told["wallet_address"] = self.terminal.ask("The account's address", asking.fits("0x[0-9a-fA-F]{40}", said))
            return told
        told["api_key_env"] = self.variable("the API key", f"{upper}_KEY")
        told["secret_env"] = self.variable("its secret", f"{upper}_SECRET")
        if exchange in PASSPHRASE:
            told["password_env"] = self.variable("its passphrase", f"{upper}_PASSPHRASE")
        return told

    def ib(self) -> Table:
        """Interactive Brokers."""
        said = "An account is called such as U1234567, a paper one DU1234567."
        account = self.terminal.ask("The account's number there", asking.fits("[A-Z]{1,3}[0-9]{4,9}", said))
        self.paper()
        programs = {"gateway": "IB Gateway", "tws": "Trader Workstation"}
        program = self.terminal.choose("Which program is logged in?", programs, default="gateway")
        return {"account": account, "port": IB_PORTS[program, self.money]}

    def dydx(self) -> Table:
        """dYdX."""
        said = "An address begins with dydx1, and is public; the words of a wallet are not asked for."
        return {"address": self.terminal.ask("The account's address", asking.fits("dydx1[0-9a-z]{6,80}", said))}

    def statement(self) -> Table:
        """Statements in files."""
        forms = {"csv": "a table as text", "parquet": "a table", "flex": "Interactive Brokers' Flex XML"}
        form = self.terminal.choose("How are they written?", forms, default="csv")
        told: Table = {
            "path": self.terminal.ask("The file, or the folder that they are put into", asking.a_path),
            "format": form,
        }
        if form != "flex":
            question = "The TOML file that says which column is which field (docs/statements.md)"
            told["mapping"] = self.terminal.ask(question, asking.a_path, default="mapping.toml")
        return told

    def file(self) -> Table:
        """A file."""
        return {"path": self.terminal.ask("The file", asking.a_path, default=f"{self.name}-broker.json")}

    def simulated(self) -> Table:
        """A simulated venue."""
        self.money = "paper"
        return {"url": self.terminal.ask("Where it listens", asking.an_address, default="http://127.0.0.1:8080")}

    def books(self, kind: str) -> Table:
        """Where local is."""
        ask = self.terminal.ask
        match kind:
            case "own":
                path = ask("The file that Tieout is to keep", asking.a_path, default=f"{self.name}.json")
                return {"kind": "file", "path": path, "own": True}
            case "file":
                return {"kind": kind, "path": ask("The file", asking.a_path, default=f"{self.name}-local.json")}
            case "freqtrade":
                url = ask("Where its api_server listens", asking.an_address, default="http://127.0.0.1:8080")
                user = ask("Its username there", asking.plain, default="tieout")
                told: Table = {"kind": kind, "url": url, "username": user}
                told["password_env"] = self.variable("its password", "FREQTRADE_PASSWORD")
                return {**told, "dry_run": self.money == "paper"}
            case "sql":
                variable = self.variable("the database's address, as SQLAlchemy writes it", "BOOKS_URL")
                query = ask("A SELECT for its positions (docs/books.md)", _select, default=POSITIONS)
                return {"kind": kind, "url_env": variable, "positions": {"query": query}}
            case "engine":
                return {"kind": kind, "folder": ask("The folder", asking.a_path, default="engine-state")}
        return {"kind": kind}


def interview(terminal: Terminal) -> Told:
    """An account, as somebody at *terminal* tells of it.

    Raises:
        Unanswered: They went away.
    """
    asked = _Interview(terminal)
    terminal.say("What is in [ ] is taken where you only press Enter. Ctrl-C ends this, and nothing is written.\n")
    asked.name = terminal.ask("What is the account to be called, in reports and alerts?", asking.a_name, default="main")
    kind = terminal.choose("\nWho holds it?", BROKERS, default="alpaca")
    kinds: Mapping[str, Callable[[], Table]] = {name: getattr(asked, name) for name in BROKERS}
    broker: Table = {"kind": kind, **kinds[kind]()}
    books = terminal.choose("\nWhere are your own books, which say what you believe you hold?", BOOKS, default="own")
    local = asked.books(books)
    profiles = {name: each.summary for name, each in PROFILES.items()}
    profile = terminal.choose(
        "\nHow careful is it to be? Every single setting can be changed later.", profiles, default=BALANCED
    )
    return Told(asked.name, profile, local, broker, tuple(asked.variables))


def account_lines(told: Told) -> list[str]:
    """The account as TOML."""
    lines = list[str]()
    for side, table in (("local", told.local), ("broker", told.broker)):
        lines += [f"[accounts.{told.name}.{side}]"]
        for name, value in table.items():
            if name in MEANINGS and not name.endswith("_env"):  # a variable is named for what it holds
                lines.append(f"# {MEANINGS[name]}")
            lines.append(f"{name} = {toml_of(value)}")
        lines.append("")
    return lines[:-1]


def _select(text: str) -> str:
    if re.fullmatch(r"(select|with)\b[^;]*", asking.plain(text), re.IGNORECASE) is None:
        raise ValueError("Give one SELECT without a semicolon: a database is only read.")
    return text


def _symbols(text: str) -> tuple[str, ...]:
    found = tuple(each for each in re.split(r"[\s,]+", asking.plain(text)) if each)
    if not found or not all(re.fullmatch(r"[^/]+/[^/]+", each) for each in found):
        raise ValueError("Give symbols with blanks between them, such as BTC/USDT, or BTC/USDT:USDT for a perpetual.")
    return found
