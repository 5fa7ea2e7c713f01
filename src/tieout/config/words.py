"""What settings are made of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Seconds = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1)]
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Url = Annotated[str, Meta(pattern="^https?://[^/@]+(/[^@]*)?$")]
