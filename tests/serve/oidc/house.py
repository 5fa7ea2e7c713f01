"""What tests of signing in through an issuer have to do with."""

from __future__ import annotations

from pathlib import Path

from tests.serve.api.stage import Stage
from tests.serve.oidc.loopback import CLIENT, SECRET, Browser, Loopback, Seen
from tieout.record.audit.exporting import last_index, read_entries
from tieout.record.entry import Entry
from tieout.record.looking import Looking

LAST = 30  # entries
MORE = """
[service.oidc]
issuer = "{issuer}"
client_id = "{client}"
client_secret_file = "{folder}/client"
own_url = "{own}"
label = "the desk's own"
[service.oidc.groups.desk]
roles = ["operator", "approver"]
[service.oidc.groups.guests]
roles = ["viewer"]
accounts = ["main"]
[service.oidc.groups.elsewhere]
roles = ["approver"]
accounts = ["other"]
[service.oidc.groups.root]
roles = ["admin"]
"""


def configured(folder: Path, issuer: Loopback, own: str) -> str:
    """What a configuration says of it, its secret in a file."""
    secret = folder / "client"
    secret.touch(0o600)
    secret.write_text(SECRET, "utf-8")
    return MORE.format(issuer=issuer.url, client=CLIENT, folder=folder, own=own)


class House:
    """A service, the issuer that it believes, and somebody's browser."""

    def __init__(self, stage: Stage, issuer: Loopback, browser: Browser) -> None:
        self.stage, self.issuer, self.browser = stage, issuer, browser

    async def refused(self, why: str, seen: Seen) -> None:
        """That nobody was let in, was told just that, and that the log has it."""
        assert (seen.status, await self.browser.who()) == (401, {}), seen.problem
        await self.told(why, seen)

    async def told(self, why: str, seen: Seen) -> None:
        """That it was told, and that the log has it."""
        assert why in seen.problem.replace("&#39;", "'"), seen.problem
        denied = [entry for entry in await self.entries() if entry.kind == "deny"]
        assert any(why in entry.refs["why"] for entry in denied)

    async def entries(self) -> list[Entry]:
        """The end of the log."""

        def read(seen: Looking) -> list[Entry]:
            end = last_index(seen.connection) + 1
            return [each.entry for each in read_entries(seen.connection, max(0, end - LAST), end)]

        return await self.stage.desk.look(read, amounts=False)
