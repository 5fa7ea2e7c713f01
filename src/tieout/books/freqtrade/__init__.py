"""Books that freqtrade keeps: read from its REST interface or its database, never written."""
