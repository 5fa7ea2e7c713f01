"""A thousand things that go wrong, each on live sides, and what became of them without a person."""
