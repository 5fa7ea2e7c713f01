"""Nothing that is secret, and no amount, is told where nobody asked for it: every path that can be reached is walked.

What counts as told: log records of every logger at every level, warnings, failures with those behind them as a traceback
shows them, standard error, names of files, `repr` of settings and keys. Amounts may stand in reports and on standard
output; secrets may not. There are no metrics yet, so there are no labels to search.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.canary.ear import Ear, listening, outputs
from tests.canary.marks import PASSWORD, Marks
from tests.proving import PROVE

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
AMOUNT = "48151623.42"
FLOOR = 85  # lines that raise or tell and must have been executed; `python -m tests.canary` names those that were not


@pytest.fixture(scope="module")
def walked() -> dict[str, Any]:
    """The result of a walk, in a process of its own: its logs, warnings and coverage are nobody else's."""
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.canary", "--json", *([] if PROVE else ["--brief"])],
        env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_nothing_is_told_that_must_not_be(walked: dict[str, Any]) -> None:
    """No log, warning, failure, standard error or file name tells a marked secret or amount."""
    assert walked["leaks"] == []


def test_no_failure_escapes_a_command(walked: dict[str, Any]) -> None:
    """Whatever is wrong with input, configuration or record, a command ends with a sentence, never a traceback."""
    assert walked["escaped"] == []


@pytest.mark.prove
def test_enough_was_walked(walked: dict[str, Any]) -> None:
    """Databases, keys, commands and the alarm were really heard, and many lines that raise or tell were executed."""
    heard = walked["heard"]
    assert {"failure", "stderr", "log sqlalchemy", "log alembic", "log tieout", "table actions"} <= heard.keys()
    assert {f"stdout of audit {name}" for name in ("export", "prove", "show", "verify")} <= heard.keys()
    assert heard["failure"] > 80
    assert heard["stderr"] > 120
    assert min(walked["marks"]) > 50
    if PROVE:
        assert walked["spots"] - len(walked["lacking"]) >= FLOOR


def tell_by_log(ear: Ear) -> None:
    logging.getLogger("somebody.else").debug("holds %s", AMOUNT)


def tell_by_attachment(ear: Ear) -> None:
    try:
        raise ValueError(AMOUNT)
    except ValueError:
        logging.getLogger("tieout").exception("it failed")


def tell_by_cause(ear: Ear) -> None:
    try:
        try:
            raise ValueError(PASSWORD)
        except ValueError as error:
            raise RuntimeError("plain") from error
    except RuntimeError as failure:
        ear.caught(failure)


def tell_by_context(ear: Ear) -> None:
    try:
        try:
            raise ValueError(AMOUNT)
        except ValueError:
            raise RuntimeError("plain")  # noqa: B904 - the leak that is looked for
    except RuntimeError as failure:
        ear.caught(failure)


def tell_by_warning(ear: Ear) -> None:
    warnings.warn(f"{PASSWORD} is old", stacklevel=1)


def tell_by_standard_error(ear: Ear) -> None:
    with outputs(ear):
        sys.stderr.write("4.815162342E+7\n")


def tell_secret_by_standard_output(ear: Ear) -> None:
    with outputs(ear):
        sys.stdout.write(PASSWORD.upper())


LEAKS = (tell_by_log, tell_by_attachment, tell_by_cause, tell_by_context, tell_by_warning, tell_by_standard_error,
         tell_secret_by_standard_output)  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_a_leak_is_heard(leak: Any) -> None:
    """The canary itself: whatever way a mark is told in, however it is spelt, it is found."""
    marks = Marks()
    marks.amounts.add("4815162342")
    with listening(marks) as ear:
        leak(ear)
        assert ear.search()


def test_what_may_be_told_is_no_leak() -> None:
    """An amount on standard output, and a failure that hides what was behind it, are in order."""
    marks = Marks()
    marks.amounts.add("4815162342")
    with listening(marks) as ear:
        with outputs(ear):
            sys.stdout.write(AMOUNT)
        try:
            try:
                raise ValueError(AMOUNT)
            except ValueError:
                raise RuntimeError("plain") from None
        except RuntimeError as failure:
            ear.caught(failure)
        assert ear.search() == []
