"""ccxt is loaded in parts, and nobody who imports it in the usual way notices."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

import pytest

from tieout.brokers.ccxt.lazy import exchange_class

LAZY = "from tieout.brokers.ccxt.lazy import exchange_class, install; install()"


@lru_cache
def ran(*lines: str) -> str:
    """What a fresh interpreter prints, in which no warning and no failed assertion passes."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_one_exchange_loads_no_other() -> None:
    """A venue's class brings the classes that it is made from, and not one exchange more."""
    show = (
        "import sys",
        "names = sorted(m for m in sys.modules if m.startswith('ccxt.') and m.count('.') == 2)",
        "print(*[m.rpartition('.')[2] for m in names if '.base' not in m and 'abstract' not in m])",
    )
    assert ran(LAZY, "exchange_class('binanceusdm')", *show).split() == ["binance", "binanceusdm"]


def test_the_usual_import_finds_everything_afterwards() -> None:
    """Classes, errors, the version and the list of exchanges are ccxt's own, whatever was loaded in part before."""
    ran(
        LAZY,
        "one = exchange_class('binanceusdm')",
        "import ccxt.async_support as later, ccxt as plain, ccxt.base.errors as errors",
        "assert later.binanceusdm is one and later.binance in one.__mro__ and isinstance(later.binance, type)",
        "assert later.NetworkError is plain.NetworkError is errors.NetworkError",
        "assert issubclass(one, later.Exchange) and len(later.exchanges) > 100 and 'kraken' in plain.exchanges",
        "assert plain.kraken is not later.kraken and later.binanceusdm is one and plain.__version__ == later.__version__",
        "assert later.binance().id == 'binance' and not hasattr(later, 'no_such_thing')",
        "from ccxt import *",
        "assert binance is plain.binance",
    )


def test_what_was_imported_before_stays_as_it_is() -> None:
    """Where ccxt is there already, its own packages and classes are used."""
    ran(
        "import ccxt.async_support as before, ccxt",
        LAZY,
        "import sys",
        "assert sys.modules['ccxt.async_support'] is before and sys.modules['ccxt'] is ccxt",
        "assert exchange_class('kraken') is before.kraken",
    )


def test_streams_are_loaded_in_part_too() -> None:
    """A class of ccxt.pro is made from the same asynchronous class, without the other exchanges."""
    ran(
        LAZY,
        "import ccxt.pro as pro, sys",
        "assert exchange_class('kraken') in pro.kraken.__mro__ and 'ccxt.pro.okx' not in sys.modules",
    )


def test_an_error_caught_by_name_is_the_one_that_is_raised() -> None:
    """An exception imported from the package is the class that an exchange loaded in part raises."""
    ran(
        LAZY,
        "from ccxt import BadSymbol",
        "made = exchange_class('gemini')()",
        "made.set_markets([])",
        "try: made.market('QQQ/EUR')",
        "except BadSymbol: print('caught')",
        "else: raise AssertionError",
    )


@pytest.mark.parametrize("name", ["no such venue", "base", "hollaexx", "base.exchange", "", "__init__", ".kraken"])
def test_what_is_no_exchange_is_no_exchange(name: str) -> None:
    """A misspelt venue, or another module of ccxt, is refused by LookupError alone."""
    with pytest.raises(LookupError):
        exchange_class(name)
