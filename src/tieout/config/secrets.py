"""Reads secrets: from the environment, a file, or a directory. What is wrong names the setting, never the value."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from tieout.config.nouns import SecretsSettings
from tieout.errors import Problem
from tieout.model.secret import Secret

MAX_FILE = 2**16
OTHERS, OTHERS_ENTER = 0o077, 0o011
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_MEND = "set it, or give the right name; the secret itself never stands in the configuration"


class Unread(Exception):
    """A file gives no secret; *what* and *mend* are for a person."""

    def __init__(self, what: str, mend: str = _MEND) -> None:
        self.what, self.mend = what, mend
        super().__init__(what)


class Secrets:
    """The secrets of a configuration, each read once, when the one adapter that it is for is made.

    Args:
        settings: What [secrets] says.
        environment: The process's.
        file: The configuration, for sentences.
        problems: Where what is wrong is told.
    """

    def __init__(
        self, settings: SecretsSettings, environment: Mapping[str, str], file: str, problems: list[Problem]
    ) -> None:
        self._settings, self._environment, self._file, self._problems = settings, environment, file, problems

    @property
    def _variable(self) -> str | None:
        """The environment variable that names the folder, such as systemd's own, where one does."""
        directory = self._settings.directory or ""
        return directory[1:] if directory.startswith("$") else None

    def get(self, account: str, source: Struct, name: str, *, due: bool = False, side: str = "broker") -> Secret | None:
        """The secret *name* ("api_key", …) of *account*, from where *source*, the table of its *side*, says that it is.

        None where nothing says that there is one, or it cannot be had, which is then told; so it is where it is *due*.
        """
        variable: str | None = getattr(source, f"{name}_env")
        file: str | None = getattr(source, f"{name}_file")
        place = f"accounts.{account}.{side}.{name}"
        if variable is not None:
            found = self._environment.get(variable, "").strip()
            if not found:
                self._tell(f"{place}_env", "the environment has no variable of the name that stands there")
            return Secret(found) if found else None
        kept = Path(file) if file is not None else self._kept(account, name)
        if kept is None:
            if due:
                mend = f"write {name}_env = the name of the environment variable that holds it"
                self._tell(f"{place}_env", "nothing says where it is", mend)
            return None
        # Of what systemd hands over the modes are systemd's: nobody else enters the folder that it is in.
        private = self._settings.private and (file is not None or self._variable is None)
        try:
            return Secret(read_secret(kept, private=private))
        except Unread as error:
            at = f"{place}_file" if file is not None else f"secrets.directory ({account}.{name})"
            self._tell(at, error.what, error.mend)
            return None

    def _kept(self, account: str, name: str) -> Path | None:
        """The file of the directory that is for this account and secret, if there is one."""
        called = f"{account}.{name}"
        directory = self._settings.directory
        if self._variable is not None:
            directory = self._environment.get(self._variable)
        if not directory or not _FILE_NAME.fullmatch(called):
            return None
        path = Path(directory) / called
        return path if os.path.lexists(path) else None

    def _tell(self, place: str, what: str, mend: str = _MEND) -> None:
        self._problems.append(Problem(self._file, place, what, mend))


def read_secret(path: Path, *, private: bool = True) -> str:
    """What *path* holds, without the blanks around it.

    Raises:
        Unread: It cannot be read, is empty, or with *private* others than its owner can read it.
    """
    unreadable = "the file that is named there cannot be read, or is empty"
    try:
        # Without O_NONBLOCK a named pipe in its place would keep us waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            raw = os.read(descriptor, MAX_FILE + 1) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
        open_to_others = mode & OTHERS and path.resolve().parent.stat().st_mode & OTHERS_ENTER
    except OSError:
        raise Unread(unreadable) from None
    if private and open_to_others:
        mend = "set its mode to 0600, and make a new secret if they are not trusted; where a platform sets modes by "
        raise Unread("the file is open to others than its owner", mend + "itself, write private = false in [secrets]")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(raw) > MAX_FILE:
        raise Unread(unreadable)
    return text
