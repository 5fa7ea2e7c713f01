"""The interface against its own description: whatever fits it, or nearly, is answered as it says, and never with a 500."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.proving import PROVE
from tests.serve.api.stage import Stage
from tieout.serve.access.pace import Pace
from tieout.serve.access.roles import Role

pytestmark = pytest.mark.long

EXAMPLES = 200 if PROVE else 2  # of each route
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,unsupported_method,negative_data_rejection"
)


async def test_whatever_is_asked_is_answered_as_described(stage: Stage, tmp_path: Path) -> None:
    """Thousands of requests made from the description, sound and unsound, as somebody who may everything: no surprise."""
    await stage.open_break()
    stage.desk.pace = Pace(10**6, stage.desk.clock)
    token = await stage.token(*Role)
    made = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis", "run", f"{stage.url}/v1/openapi.json",
        "--header", f"Authorization: Bearer {token}", "--checks", CHECKS, "--max-examples", str(EXAMPLES),
        "--exclude-path", "/v1/events",  # it never ends
        "--phases", "examples,coverage,fuzzing", "--seed", "7", "--no-color", "--suppress-health-check", "all",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await made.communicate()
    assert made.returncode == 0, told.decode()
    sys.stdout.write(told.decode()[-1500:])  # how much was asked, for `make prove`
