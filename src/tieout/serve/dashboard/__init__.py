"""The pages: what is wrong, how bad it is, what was done about it, and what you may do."""
