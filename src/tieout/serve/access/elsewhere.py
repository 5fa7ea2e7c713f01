"""Signing in through an issuer: begun here, done there, ended here by the same browser."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from tieout.clock import Clock
from tieout.config import Config
from tieout.config.oidc import OidcSettings
from tieout.config.secrets import Unread, read_secret
from tieout.errors import BadInput, Problem, WordRefused
from tieout.model.secret import Secret
from tieout.record.users import Users
from tieout.serve.access.begun import Beginnings
from tieout.serve.access.callers import Callers, Login
from tieout.serve.access.id_tokens import NotVouched
from tieout.serve.access.issuer import Issuer
from tieout.serve.access.vouched import name_of, row_of


class Answered(Struct, frozen=True):
    """What the browser brings back from the issuer; None what it does not, or brings twice.

    Attributes:
        error: That the issuer let nobody in; its words are not ours to repeat.
    """

    state: str | None
    code: str | None
    issuer: str | None
    error: bool

    def __repr__(self) -> str:
        return f"Answered(error={self.error})"


class Elsewhere:
    """Lets those in whom an issuer vouches for.

    Args:
        settings: What the configuration says of it.
        secret: What it knows this service by.
        callers: Where sessions are begun.
        users: Where people are kept.
        clock: Where time comes from.
    """

    def __init__(self, settings: OidcSettings, secret: Secret, callers: Callers, users: Users, clock: Clock) -> None:
        self.label, self._settings = settings.label, settings
        self.secure = settings.own_url.startswith("https:")
        self._callers, self._users, self._clock = callers, users, clock
        self._beginnings, self._issuer = Beginnings(secret, clock), Issuer(settings, secret, clock)
        callers.issuer = settings.issuer

    async def begin(self, after: str) -> tuple[str, str]:
        """Where the browser has to go, and the cookie that it keeps meanwhile; *after* is the page that is to follow.

        Raises:
            NotVouched: The issuer does not answer.
        """
        begun = self._beginnings.begin(after)
        return await self._issuer.address(begun), self._beginnings.cookie(begun)

    async def end(self, cookie: str, answered: Answered) -> tuple[Login, str]:
        """The session of whoever came back, and the page that is to follow.

        Raises:
            NotVouched: Why there is none.
            RecordError: It cannot be kept.
        """
        begun = self._beginnings.read(cookie)
        shown = (answered.state or "").encode()
        if begun is None or not hmac.compare_digest(shown, begun.state.encode()):
            raise NotVouched("this browser did not begin this here, or more than 10 minutes ago")
        if not self._beginnings.use(begun):
            raise NotVouched("this sign-in came to its end already")
        await self._issuer.require_own(answered.issuer)
        if answered.error or answered.code is None:
            raise NotVouched("the issuer let nobody in")
        claims = await self._issuer.claims(answered.code, begun)
        now = self._clock.now()
        try:
            row = row_of(claims, self._settings, now)
        except NotVouched:
            await self._users.withdraw(name_of(claims), self._settings.issuer, now)
            raise
        try:
            return await self._callers.admit(row), begun.after
        except WordRefused as error:
            raise NotVouched(error.why, who=row.name) from None


def elsewhere_of(
    config: Config, callers: Callers, users: Users, clock: Clock, environment: Mapping[str, str] | None = None
) -> Elsewhere:
    """What *config*'s [service.oidc] describes.

    Raises:
        BadInput: Its secret cannot be had.
    """
    told = config.service.oidc
    assert told is not None, "it is asked for where there is one"
    secret = _secret(config, told, os.environ if environment is None else environment)
    return Elsewhere(told, secret, callers, users, clock)


def _secret(config: Config, told: OidcSettings, environment: Mapping[str, str]) -> Secret:
    place, mend = "service.oidc.client_secret_env", "set it, or give the right name"
    if told.client_secret_env is not None:
        found = environment.get(told.client_secret_env, "").strip()
        if not found:
            raise BadInput([Problem(config.file, place, "the environment has no variable of that name", mend)])
        return Secret(found)
    try:
        return Secret(read_secret(Path(told.client_secret_file or ""), private=config.secrets.private))
    except Unread as error:
        raise BadInput([Problem(config.file, place.replace("_env", "_file"), error.what, error.mend)]) from None
