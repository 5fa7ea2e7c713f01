"""An OpenID Connect issuer through which people may sign in besides by a password, and what its groups may here."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct, field

from tieout.config.words import Text, VariableName

ANSWER = "/login/oidc/answer"
RoleName = Literal["viewer", "operator", "approver", "books", "admin"]


class OidcGroup(Struct, frozen=True, forbid_unknown_fields=True):
    """What the members of one of the issuer's groups may.

    Attributes:
        roles: What they are to the desk.
        accounts: Which accounts it is for; None is all.
        amounts: Whether amounts are shown to them, whatever their roles.
    """

    roles: tuple[RoleName, ...]
    accounts: tuple[Text, ...] | None = None
    amounts: bool = False


class OidcSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """An issuer that is believed about who somebody is, and which groups they are in.

    Attributes:
        issuer: Its URL, to the letter as it calls itself.
        client_id: What it calls this service.
        own_url: Where people reach this service. Below it, at `ANSWER`, is where the issuer sends them back to.
        client_secret_env: The environment variable with the secret that it gave this service; client_secret_file alike.
        label: What the button to it is called by.
        claim: Which claim of its ID token lists somebody's groups.
        scopes: What it is asked for besides openid.
        groups: What the members of a group may. Who is in none of these may nothing.
    """

    issuer: Text
    client_id: Text
    own_url: Text
    client_secret_env: VariableName | None = None
    client_secret_file: Text | None = None
    label: Text = "single sign-on"
    claim: Text = "groups"
    scopes: tuple[Text, ...] = ("profile",)
    groups: dict[str, OidcGroup] = field(default_factory=dict)

    @property
    def redirect_uri(self) -> str:
        """Where the issuer sends people back to, to the letter."""
        return self.own_url.rstrip("/") + ANSWER


def is_private(url: str) -> bool:
    """Whether nobody else reads what is said to *url*: it is TLS, or does not leave this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not url.isprintable() or any(each in url for each in " \\#") or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    """Names are none: what they lead to others may decide."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
