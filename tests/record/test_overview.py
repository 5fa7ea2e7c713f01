"""All accounts at a glance say of each what a closer look at it says."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Engine, event

from tests.record.test_people import House, house
from tieout.model.halt import Halt
from tieout.model.snapshot import Position
from tieout.record.overview import Glance, Overview, glance
from tieout.record.standing import Standing, read_standing

__all__ = ["house"]  # a fixture


async def halts(house: House) -> tuple[Halt, ...]:
    """What stands at a glance, which is what stands at a closer look."""
    sealed, now = house.other.payloads, house.floor.clock.now()
    (seen,) = await house.other.database.read(lambda connection: glance(connection, sealed, ["main"], now))
    closer: Standing = await house.other.database.read(lambda connection: read_standing(connection, sealed, "main"))
    found = () if seen.standing is None else seen.standing.halts
    assert found == closer.halts
    return found


async def test_a_halt_that_is_said_while_a_reading_runs_is_seen_at_once(house: House) -> None:
    """The reading did not hear it, though its report stands behind it in the log: the account shows as halted."""
    broker = house.floor.broker
    plain = broker.get_positions

    async def meanwhile() -> tuple[Position, ...]:
        broker.get_positions = plain  # type: ignore[method-assign]
        await house.people.halt("main", actor="ann", why="stop")
        return await plain()

    broker.get_positions = meanwhile  # type: ignore[method-assign]
    assert (await house.floor.read()).halts == ()
    (halt,) = await halts(house)
    assert halt.by == "ann"
    await house.floor.read()
    assert len(await halts(house)) == 1


async def test_what_every_reading_heard_calls_for_no_closer_look(house: House) -> None:
    """Of an account where nothing stands any more, the overview says so without opening anything."""
    await house.people.halt("main", actor="ann", why="stop")
    await house.floor.read()
    assert len(await halts(house)) == 1
    await house.people.resume("main", actor="ann", why="go on")
    assert await halts(house) == ()
    await house.floor.read()
    now = house.floor.clock.now()
    (seen,) = await house.other.database.read(
        lambda connection: glance(connection, house.other.payloads, ["main"], now)
    )
    assert seen.standing is None


async def test_what_is_kept_from_look_to_look_is_what_a_fresh_look_finds(house: House) -> None:
    """After each reading and word, and as time passes: the same; and where nothing is new, two questions find that out."""
    overview, clock, floor = Overview(), house.floor.clock, house.floor
    fresh: list[tuple[Glance, ...]] = []

    async def looks() -> int:
        asked = list[str]()

        def work(connection: Connection) -> None:
            fresh.append(glance(connection, house.other.payloads, ["main", "nobody"], clock.now()))
            count = len(asked)
            assert overview.glance(connection, house.other.payloads, ["main", "nobody"], clock.now()) == fresh[-1]
            asked[:] = asked[count:]

        def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(Engine, "before_cursor_execute", hear)
        try:
            await house.other.database.read(work)
        finally:
            event.remove(Engine, "before_cursor_execute", hear)
        return len(asked)

    await looks()
    assert await looks() == 2
    await floor.read()
    assert await looks() > 2
    await house.people.halt("main", actor="ann", why="stop")
    assert await looks() > 2
    await floor.read()
    await looks()
    await floor.strange()
    await looks()
    clock.advance(7200)
    assert await looks() > 2  # the whole is looked at now and then, whatever the log says
    assert await looks() == 2
    await house.people.resume("main", actor="ann", why="go on")
    await looks()
    await floor.read()
    await looks()
    assert len({msgspec.json.encode(seen) for seen in fresh}) > 5
