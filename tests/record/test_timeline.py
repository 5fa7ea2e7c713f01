"""What happened to an account, and how it went, out of the tables."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.record.test_people import WHY, House, house, position
from tieout.record.figures import breaks_since, exposure_at
from tieout.record.timeline import read_timeline

__all__ = ["house"]


async def test_a_night_is_told_in_its_order(house: House) -> None:
    """A stranger's trade, the halt, the words and the cure, each with its entry; what people wrote takes the key."""
    floor = house.floor
    report = await floor.strange()
    await house.people.approve(position(report), actor="ann", why=WHY)
    await floor.read()
    await floor.read()
    await house.people.resume("main", actor="bob", why=WHY)
    await floor.read()
    other = house.other
    told = await other.database.read(lambda seen: read_timeline(seen, other.payloads, "main", 50))
    kinds = {each.what for each in told}
    assert kinds >= {"opened", "closed", "halt", "resume", "word", "action", "alert"}
    assert [each.entry for each in told] == sorted((each.entry for each in told), reverse=True)
    said = [each for each in told if each.what == "word"]
    assert [(each.actor, each.verdict, each.text) for each in said] == [("bob", "resume", WHY), ("ann", "approve", WHY)]
    assert [each.break_id for each in said] == [None, position(report)]
    bare = await other.database.read(lambda seen: read_timeline(seen, None, "main", 50))
    assert [each.text for each in bare if each.what == "word"] == ["", ""]
    assert "12.5" not in str(bare)
    assert len(await other.database.read(lambda seen: read_timeline(seen, None, "main", 3))) == 3
    assert await other.database.read(lambda seen: read_timeline(seen, None, "none", 3)) == ()


async def test_breaks_are_reckoned_from_the_reading_before_to_their_end(house: House) -> None:
    """How long one can have stood unseen, and until when it stood; older ones and other accounts are left out."""
    floor = house.floor
    began = floor.clock.now()
    floor.clock.advance(600)
    assert await floor.reconciler.look("main", frozenset(["orders"])) is not None  # it saw nothing of the positions
    report = await floor.strange()
    other = house.other

    async def stood(name: str = "main", since: timedelta = timedelta()) -> list[tuple[bool, bool]]:
        found = await other.database.read(lambda seen: breaks_since(seen, [name], began + since, 100))
        assert all(each.unseen is not None and each.unseen >= timedelta(seconds=600) for each in found)
        return [(each.account == name, each.closed_at is not None) for each in found]

    assert await stood() == [(True, False)] * len(report.discrepancies)
    await house.people.approve(position(report), actor="ann", why=WHY)
    await floor.read()
    await floor.read()
    assert await stood() == [(True, True)] * len(report.discrepancies)
    assert await stood("other") == []
    assert await stood(since=timedelta(days=1)) == []


async def test_exposure_is_what_the_last_reading_before_showed(house: House) -> None:
    """Nothing before the trade, the worth of every difference after it, nothing once it is booked."""
    floor, other = house.floor, house.other
    floor.clock.advance(60)
    calm = floor.clock.now()
    floor.clock.advance(60)
    report = await floor.strange()
    floor.clock.advance(60)
    open_ = floor.clock.now()
    await house.people.approve(position(report), actor="ann", why=WHY)
    await floor.read()
    await floor.read()
    floor.clock.advance(60)

    async def usd(at: object) -> Decimal:
        found = await other.database.read(lambda seen: exposure_at(seen, other.payloads, ["main"], at))  # type: ignore[arg-type]
        assert found.unknown == 0
        return found.usd

    worth = sum(
        (each.usd_value or Decimal(0) for each in report.discrepancies if not each.within_tolerance), Decimal(0)
    )
    assert worth > 0
    assert [await usd(at) for at in (calm, open_, floor.clock.now())] == [0, worth, 0]
