"""Whom a verification trusts: keys and witnesses that were pinned outside the database, never read from it."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from tieout.errors import BadInput, Problem, ProofRefused
from tieout.record.keys import LOG_VKEY, published
from tieout.record.tlog.note import ED25519, Verifier
from tieout.record.tlog.policy import TrustPolicy, parse_policy

MAX_BYTES = 1_000_000


class Trust(Struct, frozen=True):
    """The pinned keys of the log, witnesses and their quorum, and where that was pinned.

    `local` where it is the folder of the keys that sign, in which the head that is kept besides is to be found, too.
    """

    policy: TrustPolicy
    pinned_by: str
    local: bool = False

    @property
    def keys(self) -> tuple[Verifier, ...]:
        """The log's keys, the one in force first."""
        return self.policy.logs


def trust_of(key: str | None, policy: Path | None, folder: Path) -> Trust:
    """What was pinned: by *key* (a C2SP vkey, or a file with one), a C2SP *policy* file, else the *folder* of keys.

    Raises:
        BadInput: It cannot be read as such, two are given, or none is and the folder has none.
        KeyUnusable: The folder's is damaged.
    """
    if key is not None and policy is not None:
        raise BadInput([Problem("--key", "", "given beside --policy", "give one of them: a policy names the key, too")])
    if policy is not None:
        try:
            return Trust(parse_policy(_text(policy, "--policy"), str(policy)), f"the policy {policy}")
        except ProofRefused as error:
            raise BadInput([Problem(str(policy), "", error.why, "mend the policy file")]) from None
    if key is not None:
        return Trust(_only(_given(key)), "--key")
    found = published(folder)
    if not found:
        mend = (
            "give --key with the log's public key, --policy with a policy file, or --keys with the folder of its keys"
        )
        raise BadInput(
            [Problem(str(folder / LOG_VKEY), "", "is missing, and nothing can be verified without a key", mend)]
        )
    return Trust(_only(*found), str(folder / LOG_VKEY), local=True)


def _only(*keys: Verifier) -> TrustPolicy:
    return TrustPolicy(keys, {}, {})


def _given(key: str) -> Verifier:
    text = key if "+" in key and not Path(key).exists() else _text(Path(key), "--key")
    mend = "give the log's public key, name+hint+base64, or a file that holds it; `tieout audit key` shows it"
    try:
        verifier = Verifier(text)
    except ProofRefused as error:
        raise BadInput([Problem("--key", "", error.why, mend)]) from None
    if verifier.kind != ED25519:
        raise BadInput([Problem("--key", "", "that is the key of a witness, not of a log", mend)])
    return verifier


def _text(path: Path, option: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode()
    except (OSError, ValueError):
        mend = "check the path and its permissions"
        raise BadInput([Problem(option, str(path), "cannot be read as a file of text", mend)]) from None
