"""Tieout checks what a trading system believes it holds against what its broker says, names the cause, and acts safely."""

__version__ = "0.1.0"
