"""TWS's numbers for what goes wrong, sorted by what follows from them. What is in no set here says nothing for certain."""

from __future__ import annotations

CLIENT_TAKEN = "326"
CUT_OFF, BACK = frozenset(("1100", "2110")), frozenset(("1101", "1102"))
READ_ONLY = "321"
REFUSALS = frozenset((READ_ONLY, "322"))
PACED = frozenset(("100", "162", "420"))
NO_INSTRUMENT = "200"

# A new order that TWS answers with one of these was not taken.
NOT_TAKEN = frozenset(
    (
        "103",  # the order number was used before
        "107",  # incomplete
        "109",  # out of the range of the order presets
        "110",  # not a multiple of the price step
        "111",  # this type of order cannot rest so long
        "116",  # a dead exchange
        "140",  # the size is none
        "141",  # the price is none
        "145",  # the entries do not hold together
        NO_INSTRUMENT,
        "201",  # rejected
        "203",  # not for this account
        READ_ONLY,
        "355",  # the size breaks a rule of the market
        "382",  # the price is too far away
        "383",  # the size is too large
        "388",  # smaller than the least size
        "412",  # not available for trading
        "434",  # a size of zero
        "435",  # no account
        "436",  # no allocation
        "460",  # no trading permission
        "10243",  # a fraction cannot be sent through the interface
        "10318",  # nor is it traded in fractions
    )
)
# What TWS says of a cancel that finds nothing to end.
NOT_CANCELLED = frozenset(("135", "136", "161", "10147", "10148"))
CANCELLED = "202"
