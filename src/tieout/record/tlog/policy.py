"""Whom to trust, in a file: the log's key, witnesses, groups of them, and how many have to have cosigned.

Source: C2SP tlog-policy (c2sp.org/tlog-policy)::

    log <vkey> [url]
    witness <name> <vkey> [url]
    group <name> <number|any|all> <member>...
    quorum <name|none>
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from tieout.errors import ProofRefused
from tieout.record.tlog.note import COSIGNATURE, ED25519, Note, Verifier, open_note

NONE = "none"


class Group(Struct, frozen=True):
    """So many of these, each a witness or another group."""

    needed: int
    members: tuple[str, ...]


class TrustPolicy(Struct, frozen=True):
    """Keys of logs, witnesses by name, groups by name, and which of them has to have cosigned."""

    logs: tuple[Verifier, ...]
    witnesses: dict[str, Verifier]
    groups: dict[str, Group]
    quorum: str = NONE

    def open(self, signed: bytes) -> Note:
        """The note, once one of the logs and the quorum of witnesses signed it.

        Raises:
            ProofRefused: They did not.
        """
        note = open_note(signed, (*self.logs, *self.witnesses.values()))
        seen = {(each.name, each.hint) for each in note.verified}
        if not any((each.name, each.id) in seen for each in self.logs):
            raise ProofRefused("none of the logs of the policy signed this")
        present = {name for name, each in self.witnesses.items() if (each.name, each.id) in seen}
        if not self.reached(present):
            raise ProofRefused(
                f"the policy's quorum {self.quorum} is not reached: "
                f"{', '.join(sorted(present)) or 'no witness'} cosigned"
            )
        return note

    def reached(self, present: Collection[str]) -> bool:
        """Whether the witnesses *present*, by name, are enough."""
        return self.quorum == NONE or self._holds(self.quorum, present)

    def _holds(self, name: str, present: Collection[str]) -> bool:
        if name in self.witnesses:
            return name in present
        group = self.groups[name]
        return sum(self._holds(member, present) for member in group.members) >= group.needed


def parse_policy(text: str, file: str = "policy") -> TrustPolicy:
    """Read such a file.

    Raises:
        ProofRefused: A line of it is wrong; the sentence names it.
    """
    logs: list[Verifier] = []
    witnesses: dict[str, Verifier] = {}
    groups: dict[str, Group] = {}
    quorum: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            match words:
                case ["log", vkey] | ["log", vkey, _]:
                    logs.append(_key(vkey, ED25519))
                case ["witness", name, vkey] | ["witness", name, vkey, _]:
                    witnesses[_fresh(name, witnesses, groups)] = _key(vkey, COSIGNATURE)
                case ["group", name, needed, *members] if members:
                    groups[_fresh(name, witnesses, groups)] = _group(needed, members, {**witnesses, **groups})
                case ["quorum", name] if quorum is None:
                    quorum = _known(name, {NONE: None, **witnesses, **groups})
                case _:
                    raise ProofRefused("write log, witness, group or one quorum, with what belongs to it")
        except ProofRefused as error:
            raise ProofRefused(f"{file}: line {number}: {error.why}") from None
    if not logs or quorum is None:
        raise ProofRefused(f"{file}: a policy names a log and a quorum (quorum none, if nobody has to cosign)")
    return TrustPolicy(tuple(logs), witnesses, groups, quorum)


def _key(vkey: str, kind: bytes) -> Verifier:
    verifier = Verifier(vkey)
    if verifier.kind != kind:
        raise ProofRefused("that key is of the other kind: a log's begins with type 1, a witness's with type 4")
    return verifier


def _fresh(name: str, *taken: Mapping[str, object]) -> str:
    if name == NONE or any(name in names for names in taken):
        raise ProofRefused(f"the name {name} is taken")
    return name


def _known(name: str, names: Mapping[str, object]) -> str:
    if name not in names:
        raise ProofRefused(f"there is no witness or group {name} above this line")
    return name


def _group(needed: str, members: list[str], names: Mapping[str, object]) -> Group:
    if len(set(members)) != len(members):
        raise ProofRefused("a member stands twice")
    those = tuple(_known(member, names) for member in members)
    count = {"any": 1, "all": len(those)}.get(needed) or (int(needed) if needed.isdecimal() else 0)
    if not 1 <= count <= len(those):
        raise ProofRefused(f"{needed} of {len(those)} members: give a number from 1 to {len(those)}, any or all")
    return Group(count, those)
