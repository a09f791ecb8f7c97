"""``/api/runs``: runbooks for other programs. Reading is free; asking, answering and ending take the cluster's token.

Nothing is done here. What was asked for waits for the cluster's next turn, which records it like a person's command.
"""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from galera_operator.core.planned import Run, RunState
from galera_operator.core.report import View, run_json
from galera_operator.core.running import NotRequested, abort, answer, request
from galera_operator.runtime.asked import Asked, Change
from galera_operator.runtime.board import Board

MAX_BODY = 64 * 1024
Text = Annotated[str, Field(max_length=4096)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Asking(_Strict):
    service: Text
    runbook: Text
    set: dict[str, Text] = Field(default_factory=dict)
    yes: bool = False


class _Answering(_Strict):
    service: Text
    word: Literal["yes", "no"]
    set: dict[str, Text] = Field(default_factory=dict)


class _Ending(_Strict):
    service: Text


@dataclass(frozen=True, slots=True)
class _No(Exception):
    code: int
    why: str


class Runs:
    def __init__(self, board: Board, asked: Asked) -> None:
        self._board = board
        self._asked = asked

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/api/runs", _told_why(self.show), methods=["GET"]),
            Route("/api/runs", _told_why(self.ask), methods=["POST"]),
            Route("/api/runs/answer", _told_why(self.answer), methods=["POST"]),
            Route("/api/runs/abort", _told_why(self.end), methods=["POST"]),
        ]

    async def show(self, asking: Request) -> Response:
        """``?service=NAME``: the run on its way or the last one, and those that wait."""
        view = self._view(asking.query_params.get("service", ""))
        planned, name = view.memory.planned, view.seen.service.name
        runs = [run for run in (planned.run, *planned.requests) if run]
        return JSONResponse({"runs": [run_json(name, self._asked.books.get(run.runbook), run) for run in runs]})

    async def ask(self, asking: Request) -> Response:
        wish = _Asking.model_validate(await self._told(asking))
        book = self._asked.books.get(wish.runbook)
        if book is None:
            known = ", ".join(sorted(self._asked.books)) or "none"
            raise _No(404, f"there is no runbook {wish.runbook}; there are {known}")
        values, faults = book.arguments(wish.set)
        if faults:
            raise _No(422, "; ".join(faults))
        begun = time.time()
        run = Run(str(uuid.uuid4()), book.name, book.digest, values, _by(asking), begun, RunState.WAITING, answers_all=wish.yes)
        self._put(wish.service, lambda memory: request(memory, run))
        return JSONResponse(run_json(wish.service, book, run), 202)

    async def answer(self, asking: Request) -> Response:
        told = _Answering.model_validate(await self._told(asking))
        active = self._view(told.service).memory.planned.active
        book = self._asked.books.get(active.runbook) if active else None
        faults = book.arguments({**active.arguments, **told.set})[1] if active and book else ()
        if faults:
            raise _No(422, "; ".join(faults))
        self._put(told.service, lambda memory: answer(memory, told.word, told.set))
        return JSONResponse({"service": told.service, "answered": told.word}, 202)

    async def end(self, asking: Request) -> Response:
        told = _Ending.model_validate(await self._told(asking))
        self._put(told.service, lambda memory: abort(memory, _by(asking)))
        return JSONResponse({"service": told.service, "aborted": True}, 202)

    async def _told(self, asking: Request) -> Mapping[str, object]:
        """The body of a request that may be made. Raises `_No`."""
        token = self._asked.token
        given = asking.headers.get("authorization", "")
        if not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise _No(401, "the header Authorization: Bearer ... with the content of the secret galera_token is missing or wrong")
        body = b""
        async for part in asking.stream():
            body += part
            if len(body) > MAX_BODY:
                raise _No(413, f"the body is longer than {MAX_BODY // 1024} KiB")
        try:
            told = json.loads(body)
        except ValueError as error:
            raise _No(400, f"the body is no JSON: {error}") from error
        if not isinstance(told, dict):
            raise _No(400, "the body is no JSON object")
        return told

    def _view(self, service: str) -> View:
        """What this operator saw last of a cluster that it acts for. Raises `_No`."""
        posted = {one.moment.cluster: one for one in self._board.posted()}
        one = posted.get(service)
        if one is None:
            raise _No(404, f"there is no Galera service {service!r}; there are {', '.join(posted) or 'none'}")
        view = one.view if one.leads else None
        if view is None:
            raise _No(503, f"this operator does not act for {service} now: {one.moment.plan.why}")
        return view

    def _put(self, service: str, change: Change) -> None:
        """Leave it for the next turn, if it could be done now. Raises `_No`."""
        try:
            change(self._view(service).memory)
        except NotRequested as error:
            raise _No(409, str(error)) from error
        self._asked.put(service, change)


def _by(asking: Request) -> str:
    return f"HTTP from {asking.client.host if asking.client else 'nowhere'}"


def _told_why(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The handler, with what it refuses turned into an answer."""

    async def answered(asking: Request) -> Response:
        try:
            return await handler(asking)
        except _No as no:
            return JSONResponse({"error": no.why}, no.code)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            words = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults]
            return JSONResponse({"error": "; ".join(words)}, 422)

    return answered
