"""dYdX v4, read from its indexer: no key is needed, and no order can be sent this way."""
