"""The log held against its key: verify it, prove an entry of it, hand it on, put another key in force."""
