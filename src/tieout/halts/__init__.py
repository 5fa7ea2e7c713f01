"""Halts where orders come from: a program that trades by itself is had to stop, and shows that it did."""
