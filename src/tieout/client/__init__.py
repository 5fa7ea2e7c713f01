"""A client of the service, for whatever keeps books: it pushes them, and fetches breaks and what is to be booked.

with BooksClient(url, token, "main") as books:     or `async with AsyncBooksClient(...)`
    books.push_snapshot(snapshot)                  the books whole, from where they are kept
    books.add_fill(fill)                           what happens since: kept, and pushed a moment later
    for correction in books.corrections():         what is to be booked
        books.acknowledge(correction.id)           first this; it raises where it is not wanted any more
        ...                                        then book it, whole or not at all
"""

from tieout.books.corrections import Correction, CorrectionState
from tieout.books.pushed import BooksState
from tieout.client.aio import AsyncBooksClient
from tieout.client.sync import BooksClient, BreakSeen

__all__ = ["AsyncBooksClient", "BooksClient", "BooksState", "BreakSeen", "Correction", "CorrectionState"]
