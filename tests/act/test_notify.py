"""Channels to a person: what goes out, how failing shows, and that no address is ever seen."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live.inbox import TOKEN, Inbox
from tieout.act.notify import AppriseNotifier, LoggedNotifier, channels_of
from tieout.errors import AlertUndelivered, BadInput
from tieout.model.alerting import AlertSettings, Level, split_addresses


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """A receiving end."""
    found = Inbox()
    await found.start()
    yield found
    await found.stop()


@pytest.mark.parametrize(("level", "kind"), [("info", "info"), ("warning", "warning"), ("error", "failure")])
async def test_a_message_arrives_as_it_is(inbox: Inbox, level: str, kind: str) -> None:
    """Title, text and loudness arrive; what looks like markup or an escape arrives as it was written."""
    await AppriseNotifier(inbox.url).tell("a <b>title</b>", "one & two\n*AAPL* \\n :smile:", Level(level))
    (message,) = inbox.messages
    assert (message["title"], message["message"]) == ("a <b>title</b>", "one & two\n*AAPL* \\n :smile:")
    assert message["type"] == kind


@pytest.mark.parametrize(("mode", "why"), [("refuse", "not accepted (500)"), ("silent", "not reachable")])
async def test_a_channel_that_fails_says_which_and_how(inbox: Inbox, mode: str, why: str) -> None:
    """A refusal and a silence are failures, named by scheme and kind alone."""
    inbox.mode = mode  # type: ignore[assignment]
    with pytest.raises(AlertUndelivered) as caught:
        await AppriseNotifier(inbox.url).tell("t", "b", Level.ERROR)
    assert str(caught.value) == f"json: {why}"


async def test_a_channel_that_is_down_is_not_reachable(inbox: Inbox) -> None:
    """Nobody listens there."""
    await inbox.stop()
    with pytest.raises(AlertUndelivered, match=r"^json: not reachable$"):
        await AppriseNotifier(inbox.url).tell("t", "b", Level.INFO)


async def test_a_channel_has_an_end_to_its_patience(inbox: Inbox) -> None:
    """A channel that answers byte by byte for ever is given up after its time."""
    inbox.mode = "silent"
    with pytest.raises(AlertUndelivered, match=r"^json: no answer in time$"):
        await AppriseNotifier(inbox.url.replace("rto=1", "rto=20"), seconds=1).tell("t", "b", Level.INFO)


async def test_no_secret_of_an_address_is_ever_seen(
    inbox: Inbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """With every logger at DEBUG, set so before and after, a delivery, its failures and bad addresses show no secret."""
    caplog.set_level(logging.DEBUG)
    notifier = AppriseNotifier(inbox.url)
    for name in ("apprise", "urllib3", "urllib3.connectionpool", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    seen = [repr(notifier), str(vars(notifier)["name"]), repr(AlertSettings(urls=(inbox.url,)))]
    await notifier.tell("t", "b", Level.ERROR)
    for mode in ("refuse", "silent"):
        inbox.mode = mode
        with pytest.raises(AlertUndelivered) as caught:
            await notifier.tell("t", "b", Level.ERROR)
        seen += [repr(caught.value), repr(caught.value.__cause__), repr(caught.value.__context__)]
    for bad in (f"tgram://{TOKEN}", f"nosuch://{TOKEN}@x", TOKEN, f"slack://{TOKEN}/{TOKEN}", f"json://[{TOKEN}"):
        with pytest.raises(BadInput) as refused:
            channels_of([bad], "alerts.urls")
        seen += [str(refused.value), repr(refused.value.__context__)]
    captured = capfd.readouterr()
    everything = "\n".join([*seen, caplog.text, *(str(r.args) for r in caplog.records), captured.out, captured.err])
    assert TOKEN not in everything
    assert inbox.tries == 3


async def test_the_log_gets_one_line_at_the_level(caplog: pytest.LogCaptureFixture) -> None:
    """A message is one line of JSON, whatever a venue put into a name."""
    caplog.set_level(logging.INFO, logger="tieout.alert")
    for level in Level:
        await LoggedNotifier().tell("title", 'one "x"\ntwo\u2028three', level)
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING, logging.ERROR]
    assert json.loads(caplog.records[0].getMessage()) == {
        "alert": "title", "level": "info", "lines": ['one "x"', "two", "three"],
    }  # fmt: skip
    assert "\n" not in caplog.records[0].getMessage()


def test_an_address_that_cannot_be_is_named_by_its_line(tmp_path: Path) -> None:
    """A comment and a blank line count: whoever opens the file finds it at that number."""
    path = tmp_path / "urls"
    path.write_text("# mine\n\njson://a\nnonsense\n", "utf-8")
    path.chmod(0o600)
    with pytest.raises(BadInput) as caught:
        channels_of(["json://b", f"file:{path}"], "alerts.urls")
    assert [problem.place for problem in caught.value.problems] == ["alerts.urls[1], line 4"]


def test_what_is_wrong_with_an_address_is_a_sentence(tmp_path: Path) -> None:
    """What, where, and how to mend it, for an address and for a file of them."""
    path = tmp_path / "urls"
    path.write_bytes(b"\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(BadInput) as caught:
        channels_of(["nonsense", f"file:{path}", f"file:{tmp_path}"], "alerts.urls")
    bad, torn, folder = map(str, caught.value.problems)
    assert bad.startswith("alerts: alerts.urls[0]: ") and bad.endswith(
        "; see its list of services; the address is not shown here"
    )
    assert torn == f"alerts: alerts.urls[1]: {path}: cannot be read; name a text file, one address a line"
    assert folder.startswith(f"alerts: alerts.urls[2]: {tmp_path}: ")


def test_addresses_come_from_a_private_file(tmp_path: Path) -> None:
    """One a line, comments left out; a file that others can read, that is missing or empty is refused by its place."""
    path = tmp_path / "urls"
    path.write_text(f"# the desk\n\njson://a/{TOKEN}\nxml://b\n")
    path.chmod(0o600)
    assert [channel.name for channel in channels_of([f"file:{path}", "json://c"])] == ["json", "xml", "json"]
    path.chmod(0o640)
    with pytest.raises(BadInput, match=r"urls\[0\]: .*: others can read it"):
        channels_of([f"file:{path}"])
    path.write_text("# nothing\n")
    path.chmod(0o600)
    with pytest.raises(BadInput, match="no address in it"):
        channels_of([f"file:{path}"])
    with pytest.raises(BadInput, match="no such file") as both:
        channels_of([f"file:{path}.gone", f"nosuch://{TOKEN}"])
    assert len(both.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", ()),
        (" json://a ", ("json://a",)),
        ("json://a,xml://b", ("json://a", "xml://b")),
        ("json://a, \n xml://b,", ("json://a", "xml://b")),
        ("mailto://me:x@y.z?to=a@b.c,d@e.f file:/run/urls", ("mailto://me:x@y.z?to=a@b.c,d@e.f", "file:/run/urls")),
    ],
)
def test_addresses_come_from_the_environment(text: str, addresses: tuple[str, ...]) -> None:
    """Several in one variable, apart by blanks or commas; a comma inside an address stays in it."""
    assert split_addresses(text) == addresses


def test_a_file_of_addresses_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """What stands beyond the limit is not left out in silence, nor an address cut in the middle used."""
    file = tmp_path / "urls"
    file.write_text("json://127.0.0.1:1/\n" + "# a comment\n" * 6000)
    file.chmod(0o600)
    with pytest.raises(BadInput, match="too long"):
        channels_of([f"file:{file}"])
