"""What a configuration says of an issuer: every problem at once, on its line, and never the secret."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.serve.api.stage import ACCOUNT, CONFIGURATION
from tieout.config import load
from tieout.config.lines import located
from tieout.config.oidc import OidcGroup, RoleName, is_private
from tieout.errors import BadInput
from tieout.record import keys
from tieout.serve.access.roles import Role
from tieout.serve.extras import extra_lacking
from tieout.serve.service import serving
from tieout.serve.template import render_template

RIGHT = """
[service.oidc]
issuer = "https://login.example/realms/desk"
client_id = "tieout"
own_url = "https://tieout.example:8710/"
client_secret_env = "OIDC_SECRET"
[service.oidc.groups."Trading Desk"]
roles = ["operator", "approver"]
accounts = ["main"]
"""
WRONG = """
[service.oidc]
issuer = "http://login.example"
own_url = "https://tieout.example/desk"
client_id = "tieout"
client_secret = "hunter2-OF-NOBODY"
[service.oidc.groups.desk]
rolse = ["viewer"]
[service.oidc.groups.others]
roles = []
accounts = []
[service.oidc.groups.guests]
roles = ["everything"]
"""


def written(folder: Path, text: str) -> Path:
    """A file of it."""
    path = folder / "tieout.toml"
    path.write_text(text, "utf-8")
    return path


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    """An issuer with its groups, and where it leads back to."""
    found = load(written(tmp_path, RIGHT), None, {}).service.oidc
    assert found is not None
    assert found.redirect_uri == "https://tieout.example:8710/login/oidc/answer"
    assert found.groups == {"Trading Desk": OidcGroup(("operator", "approver"), ("main",))}
    assert load(written(tmp_path, ""), None, {}).service.oidc is None


def test_what_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Each problem with its line; a secret that stands there is not repeated."""
    with pytest.raises(BadInput) as failure:
        load(written(tmp_path, WRONG), None, {})
    told = "\n".join(located(each) for each in failure.value.problems).replace(f"{tmp_path}/", "")
    assert "hunter2" not in told
    for line, what in (
        (3, "issuer: no address that is safe"),
        (4, "own_url: more than the service's own address"),
        (6, "client_secret: unknown setting"),
        (2, "client_secret_env: nothing says where the secret is"),
        (8, "groups.desk.rolse: unknown setting"),
        (10, "groups.others.roles: no role"),
        (11, "groups.others.accounts: no account"),
        (13, "groups.guests.roles: invalid"),
    ):
        assert re.search(rf"^tieout.toml:{line}: service\.oidc\.{re.escape(what)}", told, re.MULTILINE), (what, told)
    for text in (RIGHT.partition("[service.oidc.groups")[0], "[service]\noidc = 7"):
        with pytest.raises(BadInput, match="no group may anything"):
            load(written(tmp_path, text), None, {})


def test_an_address_is_private_or_not() -> None:
    """TLS, or an address of this machine by its number: a name may lead anywhere."""
    assert all(map(is_private, ("https://a.example/x", "http://127.0.0.1:8080", "http://[::1]/x", "http://127.9.9.9")))
    plain = ("http://a.example", "http://localhost", "https://", "https://a@b.example", "ftp://127.0.0.1", "x")
    odd = ("https://a.example/#x", "https://a b.example", "http://[::1", "http://127.0.0.1:x", "https:\\\\a")
    for url in plain + odd:
        assert not is_private(url), url


def test_roles_are_those_that_there_are() -> None:
    """What can be mapped is what can be had."""
    assert RoleName.__args__ == tuple(Role)  # type: ignore[attr-defined]


def test_the_template_shows_it(tmp_path: Path) -> None:
    """Without its marks the example is one, as soon as it names its secret."""
    text = render_template().partition("# [service.oidc]")[2].partition("# The record of a service")[0]
    kept = [each.removeprefix("# ") for each in text.splitlines() if re.match(r"# (\[|[a-z_]+ = )", each)]
    named = "\n".join(["[service.oidc]", *kept]).replace('client_secret_env = ""', 'client_secret_env = "X"')
    found = load(written(tmp_path, named), None, {}).service.oidc
    assert found is not None
    assert found.groups == {"GROUP": OidcGroup(("viewer",))}


async def test_a_secret_that_is_not_there_keeps_the_service_from_starting(tmp_path: Path) -> None:
    """It is told at the start, not when the first one signs in."""
    told = CONFIGURATION.format(folder=tmp_path, accounts=ACCOUNT.format(name="main", folder=tmp_path))
    keys.create(tmp_path / "keys", "test")
    for text, what in (
        (RIGHT, "client_secret_env: the environment has no variable"),
        (RIGHT.replace("client_secret_env", "client_secret_file"), "client_secret_file: the file"),
    ):
        config = load(written(tmp_path, told + text), None, {})
        with pytest.raises(BadInput, match=what):
            async with serving(config):
                raise AssertionError("it started")


async def test_without_its_library_one_is_told_which_extra_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where an issuer is configured is it looked for; the sentence of a command names the extra."""
    loads = tuple(f"tieout.serve.access.{name}" for name in ("elsewhere", "issuer", "id_tokens", "vouched"))
    for name in [name for name in sys.modules if name.startswith(("joserfc", *loads))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    monkeypatch.setenv("OIDC_SECRET", "x")
    keys.create(tmp_path / "keys", "test")
    told = CONFIGURATION.format(folder=tmp_path, accounts=ACCOUNT.format(name="main", folder=tmp_path))
    with pytest.raises(ModuleNotFoundError) as failure:
        async with serving(load(written(tmp_path, told + RIGHT), None, {})):
            raise AssertionError("it started")
    assert extra_lacking(failure.value) == "oidc"
