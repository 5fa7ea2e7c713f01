"""Both sides -> one observation: local, broker, local; how far each was read; and what a reading teaches the next."""

from tieout.observe.coverage import coverage_of, is_complete, is_required, required_of
from tieout.observe.memory import is_empty, remember

__all__ = ["coverage_of", "is_complete", "is_empty", "is_required", "remember", "required_of"]
