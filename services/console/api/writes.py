"""Commands: checked, sent once, and waited for until the case shows them."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

import msgspec
from aiohttp import web

from services.console.api.actions import ACTIONS, Action, role_needed
from services.console.api.answers import CommandStatus, ErasureStatus, answer, of_case
from services.console.api.bodies import Body, Erasure
from services.console.api.problems import Problem, refused
from services.console.api.query import read_body, read_expected, read_key, read_record_key
from services.console.api.reads import Reads, erasure_of, status_of
from services.console.api.routes import PREFIX, Route
from services.console.ports import Commands
from services.console.tokens import Caller, Role
from services.console.waiting import Waiting, is_settled
from shared import ids
from shared.clock import Clock
from shared.errors import Transient
from shared.events import Case, CaseCommand, EraseCustomer

MAX_KEYS = 10_000
"""How many idempotency keys a process remembers with what they were used for."""

_APART = "-"
"""In the id of a command, between what stands for its key and what stands for its meaning."""

_HEADERS = {
    "Idempotency-Key": "Sent again under the same key, a command counts once. Without it one is made, "
    "and returned.",
    "If-Match": 'The ETag of the case, `"12"`: refuse (412) when it has moved on.',
}
_ALL = (
    "unreadable", "not_allowed", "unknown_case", "too_slow", "wrong_state", "seq_mismatch",
    "too_large", "wrong_media_type", "missing", "invalid", "key_reused",
)  # fmt: skip
_OF_ACTION = {
    "follow_up_done": ("no_such_follow_up",),
    "follow_up_waive": ("no_such_follow_up",),
    "resolve": ("not_clarified",),
    "merge": ("cycle", "other_tenant"),
}


class Writes:
    """The writing half of the API.

    Args:
        deadline_s: how long a request waits for Kafka and a worker together.
    """

    def __init__(
        self, reads: Reads, commands: Commands, waiting: Waiting, clock: Clock, deadline_s: float
    ) -> None:
        self._reads = reads
        self._commands = commands
        self._waiting = waiting
        self._clock = clock
        self._deadline_s = deadline_s
        self._used = _Used()

    def routes(self) -> Sequence[Route]:
        """Return the routes, one for each action."""
        actions = [
            Route(
                action.name, "POST", "/cases/{case_id}/" + action.path, action.role, "command",
                action.summary, partial(self._act, action), {200: Case, 202: CommandStatus},
                (*_ALL, *_OF_ACTION.get(action.name, ())),
                body=action.body, example=action.example, headers=_HEADERS,
            )
            for action in ACTIONS
        ]  # fmt: skip
        erase = Route(
            "erase", "POST", "/customers/{record_key}/erase", Role.ADMIN, "command",
            "Erase the cases of a customer (`tocsin erase` removes what else is kept)",
            self._erase, {202: ErasureStatus},
            ("unreadable", "too_slow", "too_large", "wrong_media_type", "legal_hold",
             "missing", "invalid", "key_reused"),
            body=Erasure, example=Erasure(reason="Asked for it on 3 May."),
            headers={"Idempotency-Key": _HEADERS["Idempotency-Key"]},
        )  # fmt: skip
        return (*actions, erase)

    async def _act(self, action: Action, request: web.Request, caller: Caller) -> web.Response:
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        body = await read_body(request, action.body)
        expected = read_expected(request, body.expected_seq)
        number = _number(request) if action.numbered else None
        key = read_key(request) or uuid.uuid4().hex
        case = await self._reads.case(request.match_info["case_id"])
        _check_role(role_needed(action, body, case), caller)
        named = _command_id(case.tenant, caller, key, _meaning(request, body))
        command = self._command(action, body, case, caller, named, expected, number)
        self._used.check(named, command.at)
        _check_key(case, named)
        told = {"Idempotency-Key": key, "Location": _status_url(command)}
        if not is_settled(case, command.command_id):
            if expected is not None and expected < case.case_seq:
                raise _stale(command, case)
            await self._send(command, key)
            left = deadline - asyncio.get_running_loop().time()
            shown = await self._waiting.shown(case.case_id, command.command_id, left)
            if shown is None:
                return answer(status_of(case, command.command_id), 202, told)
            case = shown
        return _settled(case, command.command_id, told)

    def _command(
        self,
        action: Action,
        body: Body,
        case: Case,
        caller: Caller,
        command_id: str,
        expected: int | None,
        number: int | None,
    ) -> CaseCommand:
        bare = CaseCommand(
            command_id=command_id,
            tenant=case.tenant,
            case_id=case.case_id,
            kind=action.kind,
            actor=caller.name,
            at=self._clock.now_ms(),
            expected_seq=expected,
            follow_up=number,
        )
        return body.put(bare)

    async def _erase(self, request: web.Request, caller: Caller) -> web.Response:
        body = await read_body(request, Erasure)
        key = read_key(request) or uuid.uuid4().hex
        record_key = read_record_key(request)
        tenant = record_key.partition(":")[0]
        found = await self._reads.customer(record_key)
        held = erasure_of(record_key, found).held
        if held:
            raise Problem("legal_hold", f"a legal hold is on {', '.join(held)}")
        command = EraseCustomer(
            command_id=_command_id(tenant, caller, key, _meaning(request, body)),
            tenant=tenant,
            record_key=record_key,
            actor=caller.name,
            at=self._clock.now_ms(),
            reason=body.reason,
        )
        # What came in between the first time and the repetition nobody has asked to erase.
        first = self._used.check(command.command_id, command.at)
        command = msgspec.structs.replace(command, at=first)
        await self._send(command, key)
        told = {
            "Idempotency-Key": key,
            "Location": f"{PREFIX}/customers/{quote(record_key, safe=':')}/erasure",
        }
        return answer(erasure_of(record_key, found, command.command_id), 202, told)

    async def _send(self, command: CaseCommand | EraseCustomer, key: str) -> None:
        try:
            await self._commands.send(command)
        except Transient as error:
            text = f"{error}; send it again under the same Idempotency-Key, so that it counts once"
            raise Problem(
                "unavailable",
                text,
                headers={"Idempotency-Key": key},
                command_id=command.command_id,
            ) from error


class _Used:
    """What idempotency keys were used for, as far as this process remembers."""

    def __init__(self) -> None:
        self._meanings: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def check(self, command_id: str, at: int) -> int:
        """Return when the key was used first (ms), by now ``at`` (ms).

        Raises:
            Problem: it was used for another request.
        """
        used, _, meaning = command_id.partition(_APART)
        known, first = self._meanings.setdefault(used, (meaning, at))
        self._meanings.move_to_end(used)
        if len(self._meanings) > MAX_KEYS:
            self._meanings.popitem(last=False)
        if known != meaning:
            raise _reused(command_id)
        return first


def _check_key(case: Case, command_id: str) -> None:
    """Raise a ``Problem`` if the case shows that its key was used for another request.

    So it is noticed by another process as well, or after a restart.
    """
    used = command_id.partition(_APART)[0] + _APART
    if any(known.startswith(used) and known != command_id for known in case.commands):
        raise _reused(command_id)


def _reused(command_id: str) -> Problem:
    return Problem(
        "key_reused",
        "a key stands for one request: its address and its body",
        field="Idempotency-Key",
        command_id=command_id,
    )


def _meaning(request: web.Request, body: msgspec.Struct) -> str:
    """Return what tells two requests apart: of one length, however much they say."""
    said = request.path.encode() + b"\n" + msgspec.json.encode(body)
    return hashlib.blake2b(said, digest_size=8).hexdigest()


def _command_id(tenant: str, caller: Caller, key: str, meaning: str) -> str:
    """Return an id of a key and of what is meant by it.

    Of the key alone, a second request under it would pass for the first one, and be answered as done.
    """
    return ids.digest(tenant, "api-command", caller.name, key) + _APART + meaning


def _status_url(command: CaseCommand) -> str:
    return f"{PREFIX}/commands/{command.command_id}?case={quote(command.case_id, safe=':')}"


def _check_role(needed: Role, caller: Caller) -> None:
    if caller.role < needed:
        raise Problem("not_allowed", f"{caller.name} is {caller.role}; this needs {needed}")


def _number(request: web.Request) -> int:
    given = request.match_info["number"]
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise Problem("invalid", "expected the number of a follow-up", field="number")
    return int(given)


def _stale(command: CaseCommand, case: Case) -> Problem:
    return Problem(
        "seq_mismatch",
        f"expected {command.expected_seq}, the case is at {case.case_seq}",
        headers={"ETag": f'"{case.case_seq}"'},
        command_id=command.command_id,
        case_seq=case.case_seq,
    )


def _settled(case: Case, command_id: str, headers: dict[str, str]) -> web.Response:
    """Return the answer to a command that the case shows: the case, or why it was refused."""
    for one in case.refused:
        if one.command_id == command_id:
            raise refused(one, case.case_seq)
    return of_case(case, headers)
