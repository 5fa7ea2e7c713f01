"""TOML and the environment -> frozen settings: every problem at once, each with its place and how to mend it."""

from tieout.config.nouns import AccountConfig, Config, Limits, ReconciliationSettings
from tieout.config.reading import load

__all__ = ["AccountConfig", "Config", "Limits", "ReconciliationSettings", "load"]
