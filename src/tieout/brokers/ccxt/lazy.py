"""Loads of ccxt its base and the exchanges that are used, instead of the hundred that its own packages import at once.

Measured with ccxt 4.5.90: `import ccxt.async_support` takes 93 MB, its base with one exchange 20. The packages are put into
`sys.modules` before anybody imports them. They know their submodules and their own exceptions; whoever asks one for anything
else has it loaded whole, so that code which imports ccxt in the usual way finds what it always found.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any

PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")
# What ccxt's own modules ask of their packages, besides errors, and where it comes from.
_BASES = {
    "ccxt": "ccxt.base.exchange",
    "ccxt.async_support": "ccxt.async_support.base.exchange",
    "ccxt.pro": "ccxt.async_support.base.exchange",
}
_WHOLE = frozenset(("__all__", "__version__"))  # the only such names that a package of ccxt gives itself
_turn = RLock()
_loading: set[str] = set()


class LazyPackage(ModuleType):
    """A package of ccxt that runs its own `__init__` only when it is asked for what no part of it has."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _WHOLE:
            raise AttributeError(name)
        with _turn:
            found = None if name in _WHOLE else _part(self.__name__, name)
            if found is None:
                _load(self)
                found = self.__dict__.get(name)
        if found is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        setattr(self, name, found)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        """As in ccxt itself, the name of an exchange is its class, not the module of that name that was just loaded."""
        if isinstance(value, ModuleType) and value.__name__ == f"{self.__name__}.{name}":
            value = _exchange(value, name) or value
        super().__setattr__(name, value)


def install() -> None:
    """Make ccxt's packages lazy. What was loaded before stays as it is; safe to repeat."""
    with _turn:
        for name in PACKAGES:
            if name not in sys.modules:
                _put(name)


def exchange_class(venue: str) -> Any:
    """ccxt's asynchronous class for *venue*, with no other loaded than those it is made from.

    Raises:
        LookupError: ccxt knows no such venue.
    """
    install()
    name = f"ccxt.async_support.{venue}"
    found = _exchange(import_module(name), venue) if venue.isidentifier() and find_spec(name) else None
    if found is None:
        raise LookupError(venue)
    return found


def _put(name: str) -> None:
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = module_from_spec(spec)
    package.__class__ = LazyPackage
    sys.modules[name] = package
    above, _, own = name.rpartition(".")
    if above:
        setattr(sys.modules[above], own, package)


def _part(package: str, name: str) -> Any:
    """What *package* calls *name* without being loaded itself: an exception, its base class, or one of its modules."""
    told = getattr(import_module("ccxt.base.errors"), name, None)
    if told is not None:
        return told
    if name == "Exchange":
        return getattr(import_module(_BASES[package]), name)
    inner = f"{package}.{name}"
    if find_spec(inner) is None:
        return None
    part = import_module(inner)
    return _exchange(part, name) or part


def _exchange(module: ModuleType, name: str) -> Any:
    """The class that bears its module's name; None where there is none."""
    found = module.__dict__.get(name)
    return found if isinstance(found, type) else None


def _load(package: ModuleType) -> None:
    """Run the package's own `__init__` in it, which makes a plain module of it; not again from within."""
    loader = package.__spec__.loader if package.__spec__ else None
    if package.__name__ in _loading or loader is None:
        return
    _loading.add(package.__name__)
    try:
        loader.exec_module(package)
        package.__class__ = ModuleType
    finally:
        _loading.discard(package.__name__)
