"""Signing in through an issuer: away to it by a link, and back from it with a code. No other page knows of it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from tieout.config.oidc import ANSWER
from tieout.record.grants import Denial
from tieout.serve.access.begun import LASTS
from tieout.serve.access.elsewhere import Answered, Elsewhere
from tieout.serve.access.id_tokens import NotVouched
from tieout.serve.api.guard import desk_of, origin_of, require_login_pace
from tieout.serve.api.problems import Denied
from tieout.serve.dashboard.signing_in import ELSEWHERE, POLICY, form, own_path, page, set_session

router = APIRouter(include_in_schema=False)


@router.get(ELSEWHERE)
async def go(request: Request) -> Response:
    """Away, to the issuer."""
    after = own_path(request.query_params.get("next", "/"))
    try:
        require_login_pace(request)
        address, cookie = await _through(request).begin(after)
    except Denied as denied:
        return form(request, after, f"Not signed in: {denied.why}.", denied.status)
    except NotVouched as refused:
        return await _refused(request, refused)
    answer = RedirectResponse(address, HTTPStatus.SEE_OTHER)
    # Lax: the issuer's page leads back here, and a stricter cookie would stay behind.
    answer.set_cookie(
        _cookie(request),
        cookie,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        secure=_through(request).secure,
        samesite="lax",
    )
    return answer


@router.get(ANSWER)
async def come_back(request: Request) -> Response:
    """Back: a session begins, and the page follows from here, so that the browser shows it its cookie."""
    try:
        require_login_pace(request)
        login, after = await _through(request).end(request.cookies.get(_cookie(request), ""), _answered(request))
    except Denied as denied:
        return form(request, "/", f"Not signed in: {denied.why}.", denied.status)
    except NotVouched as refused:
        return _over(request, await _refused(request, refused))
    told = page("signed-in.html.jinja", after=own_path(after))
    answer = HTMLResponse(told, HTTPStatus.OK, {"Content-Security-Policy": POLICY})
    set_session(request, answer, login)
    return _over(request, answer)


async def _refused(request: Request, refused: NotVouched) -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if refused.unreachable else HTTPStatus.UNAUTHORIZED
    what = "log in through the issuer"
    await desk_of(request).denials.note(Denial(who=refused.who, origin=origin_of(request), what=what, why=refused.why))
    end = "" if refused.why.endswith("?") else "."
    return form(request, "/", f"Not signed in: {refused.why}{end}", status)


def _answered(request: Request) -> Answered:
    def one(name: str) -> str | None:
        told = request.query_params.getlist(name)
        return told[0] if len(told) == 1 else None

    return Answered(one("state"), one("code"), one("iss"), "error" in request.query_params)


def _over(request: Request, answer: Response) -> Response:
    """*answer*, after which the browser keeps nothing of it."""
    answer.delete_cookie(_cookie(request), secure=_through(request).secure, httponly=True, samesite="lax")
    return answer


def _cookie(request: Request) -> str:
    """Over TLS by a name that no other host, and nobody without TLS, can give a cookie."""
    return "__Host-tieout_begun" if _through(request).secure else "tieout_begun"


def _through(request: Request) -> Elsewhere:
    found = desk_of(request).elsewhere
    assert found is not None, "these are served where there is an issuer"
    return found
