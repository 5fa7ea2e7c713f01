"""Who reconciles which accounts: one process all of them, or several processes and machines in shards."""
