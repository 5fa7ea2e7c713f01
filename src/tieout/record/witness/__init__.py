"""A witness: it remembers the last checkpoint of each log that it was given, and cosigns only what extends it."""
