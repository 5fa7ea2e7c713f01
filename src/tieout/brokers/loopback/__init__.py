"""Venues' own REST protocols on 127.0.0.1, over a simulated `World`: for tests with unmodified clients, and for the demo.

A server here is a skin: `World` is the truth, the module renders it as the venue's JSON, takes the venue's orders into it and
checks the venue's signatures. Nothing else in Tieout imports this package.
"""
