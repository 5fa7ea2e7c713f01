"""Who may what: roles, tokens, and how a caller is known."""
