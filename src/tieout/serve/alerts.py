"""`tieout alerts`: what waits to be told, why it does, and what went out lately. Reads only, beside a service that writes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tieout.clock import SystemClock
from tieout.serve.output import console
from tieout.serve.recorded import FormatOption, Place

LATELY = timedelta(days=1)
DONE = 0


def alerts(
    *,
    every: Annotated[
        bool, Parameter(name="--all", help="Everything that went out, not that of a day.", negative=())
    ] = False,
    account: Annotated[
        tuple[str, ...], Parameter(help="Of this account; may be repeated.", negative=(), show_default=False)
    ] = (),
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    place: Place = Place(),
) -> int:
    """List the alerts that wait, the worst first, with why they do, then those that went out lately, the newest first.

    An alert waits until every channel took it, and is tried again for ever. A channel is shown by the scheme of its address,
    which holds secrets. JSON is one alert a line. No amounts are shown, so no key is needed. Times are UTC.
    """
    from tieout.record.looking import look
    from tieout.record.outbox import list_alerts

    now = SystemClock().now()
    since = None if every else now - LATELY
    found = look(place.settings, lambda seen: list_alerts(seen.connection, sent_since=since, of=account))
    if format == "json":
        for alert in found:
            print(msgspec.json.encode(alert).decode())
        return DONE
    from tieout.serve.render.alerts import render_alerts

    with console(None) as to:
        render_alerts(found, now, to, every=every)
    return DONE
