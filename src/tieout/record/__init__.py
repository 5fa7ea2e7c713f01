"""What happened, kept: a store that can be searched and a log that nobody can quietly change."""
