"""How one venue is asked under one key: deadlines, retries, circuit breakers, rate limits, clock offset and HTTP."""
