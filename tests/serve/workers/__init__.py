"""Several workers on one store."""
