"""The HTTP interface: thin routes over the desk, everything denied that is not granted."""
