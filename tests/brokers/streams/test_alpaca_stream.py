"""Alpaca's stream of orders, over a real socket, through to the reading that sees what it told."""

from __future__ import annotations

from tests.brokers.streams.scene import alpaca


async def test_a_trade_at_the_venue_is_seen_by_a_reading_that_the_stream_called_for() -> None:
    """Nobody polls and no interval is due: the position that was bought behind our back is in a report all the same."""
    async with alpaca() as scene:
        await scene.start()
        await scene.until(lambda: len(scene.reports) >= 2)  # the first one, and the one after listening began
        assert [report.trigger for report in scene.reports] == ["startup", "event"]
        assert scene.found == set()
        scene.trade("AAPL")
        await scene.until(lambda: "AAPL" in scene.found, 1)
        await scene.until(lambda: any(row.confirmed for row in scene.reports[-1].discrepancies))
