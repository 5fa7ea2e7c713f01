"""What the demo's terminal tells of its record: every word that people can say, and no more questions as it goes on."""

from __future__ import annotations

import pytest

from tests.serve.api.conftest import stage
from tests.serve.api.stage import Stage
from tieout.model.word import Verdict
from tieout.record.history import Fate, fates_of_report
from tieout.serve import demo_telling
from tieout.serve.demo_telling import SAID, Teller

__all__ = ["stage"]  # a fixture


def test_every_word_of_people_has_a_telling() -> None:
    """The demo's user may say anything that the pages offer; none of it ends the story by a traceback."""
    assert set(SAID) == set(Verdict)


async def test_the_story_goes_on_and_asks_no_more_than_at_its_beginning(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody gave to somebody is told; what became of a reading is asked until the account is read again."""
    asked: list[str] = []

    def counted(connection: object, report_id: str) -> tuple[Fate, ...]:
        asked.append(report_id)
        return fates_of_report(connection, report_id)  # type: ignore[arg-type]

    monkeypatch.setattr(demo_telling, "fates_of_report", counted)
    teller = Teller(stage.desk)
    break_id = await stage.open_break()
    await stage.desk.people.assign(break_id, to="ben", actor="ann", why="yours")
    words = [each.text for each in await teller.news() if each.word == "said"]
    assert words == ["ann says who is to look after it"]
    for _ in range(5):
        await stage.desk.schedule.request("other")
    await teller.news()
    asked.clear()
    assert await teller.news() == []
    assert len(asked) == len(stage.desk.accounts)
