"""Signing in through an issuer, and what was tried against it."""
