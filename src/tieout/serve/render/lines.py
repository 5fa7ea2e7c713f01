"""A break's life in lines: readings that say the same come together, everything else stands alone. Computes no amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import Discrepancy
from tieout.record.lives import Life, Step, StepKind
from tieout.serve.render.text import amount, moment, signed
from tieout.serve.render.words import STRATEGIES, action_words, cause_words, counted, strategy_words

Said = tuple[str, ...]  # what a line is called, its tone, and its sentences
DASH = "\u2013"
ENDS = {
    "done": ("done", "done", "it was done"),
    "failed": ("FAILED", "failed", "it was refused, and nothing happened"),
    "handed": ("handed", "planned", "it was given to whoever keeps the books; it counts once a reading shows it"),
    "undone": ("undone", "skipped", "read back after a break-off: it never happened"),
    "unknown": ("UNKNOWN", "failed", "nobody knows yet whether it happened; nothing else is done on this account"),
    "intended": ("UNKNOWN", "failed", "its end was not recorded yet"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a life: what happened, in sentences, the first the main one; `tone` is its colour's name."""

    steps: tuple[Step, ...]
    word: str
    tone: str
    sentences: tuple[str, ...]

    @property
    def entries(self) -> str:
        """Where the log has it."""
        first, last = self.steps[0].entry, self.steps[-1].entry
        return str(first) if len(self.steps) == 1 else f"{first}{DASH}{last}"

    @property
    def day(self) -> str:
        """The day that it began on, UTC."""
        return f"{self.steps[0].at.astimezone(UTC):%Y-%m-%d}"

    @property
    def time(self) -> str:
        """When, to the second; of several also until when."""
        first, last = self.steps[0].at.astimezone(UTC), self.steps[-1].at.astimezone(UTC)
        return f"{first:%H:%M:%S}" if len(self.steps) == 1 else f"{first:%H:%M:%S} to {_until(first, last)}"


def _until(first: datetime, last: datetime) -> str:
    return f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"


def lines(life: Life) -> list[Line]:
    """The life in lines, in the order of the log."""
    runs: list[list[Step]] = []
    standing: dict[str, list[Step]] = {}  # the runs that may still grow: a decision that is logged again is no news
    for step in life.steps:
        run = standing.get(step.kind)
        if run is not None and _gist(run[-1]) == _gist(step):
            run.append(step)
            continue
        runs.append([step])
        if step.kind not in ("reading", "alert"):
            standing = {kind: each for kind, each in standing.items() if kind == "decision"}
        if step.kind in ("reading", "alert", "decision"):
            standing[step.kind] = runs[-1]
    told: list[Line] = []
    before: Step | None = None
    for run in runs:
        told.append(_line(tuple(run), before))
        before = run[-1] if run[0].kind == "reading" else before
    return told


def _gist(step: Step) -> tuple[object, ...]:
    """What makes a step say the same as the one before it: not that both sides trade on by the same amount."""
    if step.kind != "reading":
        return step.text, step.verdict, step.strategy
    item = step.discrepancy
    told = (item.difference, item.cause, item.within_tolerance) if item is not None else (step.cause,)
    return (step.severity, step.strategy, step.confirmed, item is None, *told, *step.actions)


def _line(run: tuple[Step, ...], before: Step | None) -> Line:
    word, tone, *sentences = _SAID[run[0].kind](run, before)
    return Line(run, word, tone, tuple(sentences))


def _decision(run: tuple[Step, ...], _: Step | None) -> Said:
    may = "may be acted on" if run[0].verdict == "approved" else "nothing is booked by itself"
    return "decided", "", f"{may} ({_plain(run[0].text)}): {_strategy(run[0])}"


def _intent(run: tuple[Step, ...], _: Step | None) -> Said:
    return "intended", "", f"{_strategy(run[0])}: written down before it is done"


def _outcome(run: tuple[Step, ...], _: Step | None) -> Said:
    word, tone, words = ENDS.get(run[0].verdict or "unknown", ENDS["unknown"])
    return word, tone, words + (f": {run[0].text}" if run[0].text else "")


def _closed(run: tuple[Step, ...], _: Step | None) -> Said:
    return "closed", "closed", run[0].text or "a reading that compared its section whole shows it no more"


def _alert(run: tuple[Step, ...], _: Step | None) -> Said:
    times = f"{counted(len(run), 'time')}: " if len(run) > 1 else ""
    return "alert", "approval", f"{times}{run[0].text}; {run[0].verdict}"


def _halt(run: tuple[Step, ...], _: Step | None) -> Said:
    return "HALT", "halt", f"trading on this account is to stop ({_plain(run[0].text)})"


def _resume(run: tuple[Step, ...], _: Step | None) -> Said:
    return "resumed", "done", f"trading on this account may go on: {run[0].actor or 'lifted by itself'}"


def _word(run: tuple[Step, ...], _: Step | None) -> Said:
    step = run[0]
    until = f", until {moment(step.until)}" if step.until is not None else ""
    text = f": {step.text}" if step.text else ""
    return step.verdict or "said", "approval", f"{f'by {step.actor}' if step.actor else 'by a person'}{until}{text}"


def _reading(run: tuple[Step, ...], before: Step | None) -> Said:
    step, last = run[0], run[-1].discrepancy
    head = f"{counted(len(run), 'reading')}: " if len(run) > 1 else ""
    grade = f"{step.severity}, {'confirmed' if step.confirmed else 'unconfirmed'}"
    if step.discrepancy is None or last is None:
        return _news(step, before), "", f"{head}{grade}, {step.cause}, {step.strategy}"
    item, was = step.discrepancy, before.discrepancy if before is not None else None
    sentences = [f"{head}{sides(item, last)}, {grade}" + (", within tolerance" if item.within_tolerance else "")]
    if was is None or cause_words(item) != cause_words(was):
        sentences.append(f"why: {cause_words(item)}")
    if was is None or strategy_words(item) != strategy_words(was):
        sentences.append(f"next: {strategy_words(item)}")
    if before is None or step.actions != before.actions:
        sentences += [action_words(action) for action in step.actions]
    return _news(step, before), "", *sentences


_SAID: dict[StepKind, Callable[[tuple[Step, ...], Step | None], Said]] = {
    "reading": _reading,
    "closed": _closed,
    "decision": _decision,
    "intent": _intent,
    "outcome": _outcome,
    "alert": _alert,
    "halt": _halt,
    "resume": _resume,
    "word": _word,
}


def sides(item: Discrepancy, last: Discrepancy) -> str:
    """Local, broker and difference, and where the sides moved together during the run."""

    def moved(name: str) -> str:
        start, end = getattr(item, name), getattr(last, name)
        return f"{name.partition('_')[0]} {amount(start)}" + (f" (later {amount(end)})" if end != start else "")

    return f"{moved('local_amount')}, {moved('broker_amount')}, difference {signed(item.difference)}"


def _news(step: Step, before: Step | None) -> str:
    if before is None:
        return "seen"
    if step.confirmed and not before.confirmed:
        return "confirmed"
    item, was = step.discrepancy, before.discrepancy
    same = (step.severity, step.cause) == (before.severity, before.cause)
    return "still" if same and (item is None or was is None or item.difference == was.difference) else "changed"


def _strategy(step: Step) -> str:
    assert step.strategy is not None, "a decision without a strategy"
    return f"{STRATEGIES[ReconciliationStrategy(step.strategy)]} ({step.strategy})"


def _plain(reason: str | None) -> str:
    return (reason or "no reason given").replace("_", " ")
