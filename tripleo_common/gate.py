"""A WSGI gate in front of Mistral's API: target clouds that requests give, and secrets of inputs.

Mistral never sees a header ``X-Target-*``. By itself it would put the target's project and user in
the place of the caller's, so that a header decides whose executions one sees; it loses the target
when an action is completed by another request, run again, or resumed; and it knows no certificates.
The gate checks the headers, takes them off, and binds the target, encrypted, to what is started.

Nor does it see an input that can hold secrets (:data:`tripleo_common.sealed.INPUTS`), for it stores
and logs all inputs. The gate seals them.

:class:`Gate` wraps any application that is Mistral's API; :func:`application` makes the whole for a
server such as gunicorn or uWSGI. Importing this module does not import Mistral.
"""

from __future__ import annotations

import http
import io
import json
import logging
import re
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tripleo_common import config, exceptions, sealed
from tripleo_common.clouds import targets

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)

_BODY_BYTES = 8 * 1024 * 1024
_PREFIX = "HTTP_X_TARGET_"

_STARTED = "executions"
_ACTIONS = "action_executions"
_KEEP = (
    "An execution keeps the target cloud that it was started with, and a request to go on with one "
    "cannot give another. Leave the headers X-Target-* (options --os-target-*) out here."
)
_TRIGGER = (
    "A trigger starts its workflow later, without the token of this request, so it cannot have a "
    "target cloud. Leave the headers X-Target-* (options --os-target-*) out, and name a cloud "
    "that is configured here with the workflow's input cloud."
)
_RUNNING = {
    _STARTED: _KEEP,
    "tasks": _KEEP,
    _ACTIONS: _KEEP,
    "cron_triggers": _TRIGGER,
    "event_triggers": _TRIGGER,
}
"""Resources that run something, and why a request that changes one takes no target."""

_INPUTS = {
    _STARTED: "input",
    _ACTIONS: "input",
    "cron_triggers": "workflow_input",
    "event_triggers": "workflow_input",
}
"""Resources of which a request can give inputs, and the attribute that holds these."""

_JSON = ("application/json", "text/javascript", "application/javascript")
"""Types of a body that Mistral reads as JSON."""

_SUSPECT = re.compile("|".join([*sorted(sealed.NAMES), r"\\u"]).encode("ascii"))
"""What the JSON of an input that can hold secrets has: its name, or characters that are escaped."""

_WORKFLOW = {
    "workflow_id": ("workflows", "name"),
    "source_execution_id": (_STARTED, "workflow_name"),
    "workflow_name": ("workflows", "name"),
}
"""Attributes that tell which workflow a request is about; the first one that is given counts.

If it is an id: the resource that knows the workflow's name, and the attribute that this is there.
"""

_OBJECT = (
    "A list of nodes can be put into a Swift object: nodes_json is then a mapping with the texts "
    "container and object."
)

_UUID = re.compile(r"[0-9A-Fa-f-]{32,36}")

_HARMLESS = ("GET", "HEAD", "OPTIONS", "DELETE")

_IDENTITY = ("HTTP_X_IDENTITY_STATUS", "HTTP_X_USER_NAME", "HTTP_X_PROJECT_ID")
"""Where keystonemiddleware puts what it has learnt of the caller."""

_ANYTHING = ("workflows", "limit=1&fields=id")
"""Path and query of a cheap look that anybody may have, if they are known to Keystone.

An execution that is not there would do as well, but Mistral logs an error for each.
"""

_BODY = ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")

_LIBRARIES = ("webob.", "pecan.", "keystone.")
"""What these have put into an environment belongs to that one request."""

_BOTH = (
    "Both a target cloud (headers X-Target-*, options --os-target-*) and the input cloud are "
    "given. Give one of them."
)


class _Answer(Exception):
    """What is answered instead of handing the request on."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(status)
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self) -> int:
        return int(self.status.split()[0])

    def send(self, start_response: StartResponse, method: str) -> Iterable[bytes]:
        start_response(self.status, self.headers)
        return [] if method == "HEAD" else [self.body]


def _refusal(status: int, sentence: str) -> _Answer:
    """Return an answer that looks like Mistral's own refusals."""
    # What a client sent can be in the sentence, and must not end a header.
    shown = "".join(one if one.isascii() and one.isprintable() else "?" for one in sentence)
    LOG.info("Refused a request (HTTP %s): %s", status, shown)
    fault = {"faultcode": "Client", "faultstring": shown, "debuginfo": None}
    body = json.dumps(fault).encode("ascii")
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        # This is what python-mistralclient shows.
        ("Server-Error-Message", shown),
    ]
    return _Answer(f"{status} {http.HTTPStatus(status).phrase}", headers, body)


class _Body(io.BytesIO):
    """A request's body that the gate has read, or made."""


class Gate:
    """Takes target clouds off requests, binds them to what is started, and seals its secrets."""

    def __init__(self, application: WSGIApplication) -> None:
        """Stand in front of Mistral's API, including its authentication."""
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand a request on, changed if it gives a target or secrets, or refuse it."""
        headers = {_header(key): environ[key] for key in environ if key.startswith(_PREFIX)}
        if headers:
            environ = {key: environ[key] for key in environ if not key.startswith(_PREFIX)}
        try:
            if not self._take(environ, headers):
                self._check_copy(environ)
            self._seal(environ)
        except _Answer as answer:
            return answer.send(start_response, environ["REQUEST_METHOD"])
        return self._application(environ, start_response)

    def _check_copy(self, environ: WSGIEnvironment) -> None:
        """Make sure that a request without a target does not repeat an execution that has one.

        Mistral starts a copy with all but that, so it would run here.

        :raises _Answer: it does.
        """
        path = _segments(environ)
        if environ["REQUEST_METHOD"].upper() != "POST" or path[-2:] != ["v2", _STARTED]:
            return
        source = _mapping(_buffered(environ)).get("source_execution_id")
        # What is wrong with it, Mistral tells.
        if not isinstance(source, str) or not _UUID.fullmatch(source):
            return
        api = "/" + "/".join(path[:-1])
        _, answer = self._look(environ, api, f"{_STARTED}/{source}", "fields=params")
        if targets.PARAM in _mapping(_mapping(answer.body).get("params")):
            raise _refusal(
                400,
                f"The execution {source} was started with a target cloud, which a copy of it does "
                "not get. Give the target again (headers X-Target-*, options --os-target-*), or "
                "start the workflow anew.",
            )

    def _seal(self, environ: WSGIEnvironment) -> None:
        """Seal the inputs of a request that can hold secrets.

        :param environ: of the request; it is changed.
        :raises _Answer: they cannot be sealed.
        """
        path = _segments(environ)
        # The resource itself, or one of its members.
        places = [at for at in (-1, -2) if path[at - 1 : at] == ["v2"] and path[at] in _INPUTS]
        if environ["REQUEST_METHOD"].upper() not in ("POST", "PUT") or not places:
            return
        resource, api = path[places[0]], "/" + "/".join(path[: places[0]])
        if _SUSPECT.search(environ.get("QUERY_STRING", "").encode("utf-8", "replace")):
            raise _refusal(400, "Inputs must be in the request's body, which must be JSON.")
        content = _buffered(environ)
        if not _SUSPECT.search(content):
            return
        if _kind(environ) not in _JSON:
            raise _refusal(415, "A request with inputs must have JSON as its body.")
        # What is wrong with it, Mistral tells.
        body = _mapping(content)
        # Not what is wrong with the inputs: it would repeat them.
        as_given, inputs = _object(body, _INPUTS[resource])
        name, place = _started(body, resource)
        if place is None and not _secrets(inputs, name):
            return
        _, project, answer = self._caller(environ, api, *(place or _ANYTHING)[:2])
        if place is not None:
            name = _mapping(answer.body).get(place[2])
        secrets = _secrets(inputs, name)
        if not secrets:
            return
        for secret in secrets:
            inputs[secret] = _sealed(inputs[secret], project, secret)
        body[_INPUTS[resource]] = as_given(inputs)
        _replace(environ, body)

    def _take(self, environ: WSGIEnvironment, headers: dict[str, str]) -> bool:
        """Check the target that headers give, and bind it to what the request starts.

        :returns: whether they give one.
        :raises _Answer: the request is to be refused.
        """
        try:
            target = targets.from_headers(headers)
            if target is not None:
                self._bind(environ, target)
            return target is not None
        except exceptions.EncryptionKeyMissing as error:
            # The sentence names files of this machine.
            LOG.error("A target cloud cannot be accepted: %s", error.message)
            sentence = "This service has no key to keep a target cloud secret with."
            raise _refusal(503, sentence) from error
        except exceptions.TripleOError as error:
            status = 403 if isinstance(error, exceptions.TargetNotAllowed) else 400
            raise _refusal(status, error.message) from error

    def _bind(self, environ: WSGIEnvironment, target: targets.Target) -> None:
        """Bind a target to what a request starts, if it starts something.

        :param environ: of the request; it is changed.
        :raises _Answer: it is to be refused.
        """
        method = environ["REQUEST_METHOD"]
        if method in _HARMLESS:
            return
        path = _segments(environ)
        running = [segment for segment in path if segment in _RUNNING]
        if not running:
            return
        starts = method == "POST" and path[-2:] in (["v2", _STARTED], ["v2", _ACTIONS])
        if not starts:
            raise _refusal(400, _RUNNING[running[-1]])
        body = _read(environ)
        change = self._change_execution if path[-1] == _STARTED else self._change_action
        change(environ, body, target, "/" + "/".join(path[:-1]))
        _replace(environ, body)

    def _change_execution(
        self, environ: WSGIEnvironment, body: dict[str, Any], target: targets.Target, api: str
    ) -> None:
        _, inputs = _object(body, "input")
        if inputs.get("cloud") is not None:
            raise _refusal(400, _BOTH)
        as_given, params = _object(body, "params")
        if targets.PARAM in params:
            raise _refusal(400, f"The parameter {targets.PARAM} cannot be given by a request.")
        is_new = not body.get("id")
        execution = str(uuid.uuid4()) if is_new else _uuid(body["id"])
        path = _ANYTHING if is_new else (f"{_STARTED}/{execution}", "fields=id")
        user, project, answer = self._caller(environ, api, *path)
        if not is_new and answer.code == 200:
            # Mistral would return it and start nothing.
            raise _refusal(409, f"The execution {execution} is there already. {_KEEP}")
        if not is_new and answer.code != 404:
            raise answer
        body["id"] = execution
        params[targets.PARAM] = targets.seal(target, user=user, project=project, bound=execution)
        body["params"] = as_given(params)
        _log(f"execution {execution}", target, user, project)

    def _change_action(
        self, environ: WSGIEnvironment, body: dict[str, Any], target: targets.Target, api: str
    ) -> None:
        name = body.get("name")
        prefix = config.options().openstack_actions_prefix
        if not isinstance(name, str) or not name.startswith(("tripleo.", prefix)):
            raise _refusal(
                400,
                f"The action {str(name)[:80]!r} cannot run against a target cloud; actions whose "
                f"names begin with {exceptions.one_of(filter(None, ('tripleo.', prefix)))} can.",
            )
        as_given, inputs = _object(body, "input")
        if inputs.get("cloud") is not None:
            raise _refusal(400, _BOTH)
        user, project, _ = self._caller(environ, api, *_ANYTHING)
        # The same as Mistral takes, or the action would not find its own.
        token = str(environ.get("HTTP_X_AUTH_TOKEN", environ.get("HTTP_X_STORAGE_TOKEN")))
        sealed = targets.seal(
            target, user=user, project=project, bound=targets.bound_to_request(token)
        )
        inputs["cloud"] = targets.PREFIX + sealed
        body["input"] = as_given(inputs)
        _log(f"action {name[:80]!r}", target, user, project)

    def _caller(
        self, environ: WSGIEnvironment, api: str, path: str, query: str
    ) -> tuple[str, str, _Answer]:
        """Return the caller's user name and project id, and what Mistral answers to a look.

        The gate stands outside of Mistral's authentication, and looks with a request of its own,
        in whose environment keystonemiddleware leaves what it has learnt.

        :param api: path of Mistral's API.
        :param path: what is looked at, below that.
        :param query: of that look.
        :raises _Answer: the caller is not known.
        """
        look, answer = self._look(environ, api, path, query)
        status, user, project = (look.get(key) for key in _IDENTITY)
        if status != "Confirmed" and (answer.code == 401 or answer.code >= 500):
            raise answer
        if status != "Confirmed" or not user or not project:
            raise _refusal(
                403,
                "A target cloud, and an input that can hold secrets, can only be given with a "
                "token of this cloud's Keystone that belongs to a user and is for a project.",
            )
        return user, project, answer

    def _look(
        self, environ: WSGIEnvironment, api: str, path: str, query: str
    ) -> tuple[WSGIEnvironment, _Answer]:
        """Ask Mistral for something, as the caller of a request.

        :param environ: of that request; nothing of it is changed or read.
        :returns: what the environment of the look is afterwards, and the answer.
        """
        look = {
            key: environ[key]
            for key in environ
            if key not in (*_IDENTITY, *_BODY) and not key.startswith(_LIBRARIES)
        } | {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": f"{api}/{path}",
            "QUERY_STRING": query,
            "HTTP_ACCEPT": "application/json",
            "wsgi.input": io.BytesIO(),
        }
        return look, _ask(self._application, look)


def application() -> Gate:
    """Return Mistral's API with the gate before it, for any WSGI server.

    It is configured as ``mistral.wsgi:application`` is, from ``mistral.conf``.
    """
    from mistral import wsgi

    return Gate(wsgi.application)


def _ask(application: WSGIApplication, environ: WSGIEnvironment) -> _Answer:
    """Make a request of an application and return all of its answer."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None, /) -> Any:
        heads.append((status, headers))
        return written.append

    parts = application(environ, start_response)
    try:
        written.extend(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    return _Answer(*heads[-1], b"".join(written))


def _header(key: str) -> str:
    """Return the header of a key of the environment, such as ``X-Target-Auth-Uri``."""
    return "-".join(word.capitalize() for word in key.removeprefix("HTTP_").split("_"))


def _segments(environ: WSGIEnvironment) -> list[str]:
    return [segment for segment in environ.get("PATH_INFO", "").split("/") if segment]


def _mapping(content: object) -> dict[str, Any]:
    """Return a JSON object, or what a text of JSON holds; an empty one for anything else."""
    try:
        found = json.loads(content) if isinstance(content, str | bytes) else content
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(environ: WSGIEnvironment) -> dict[str, Any]:
    """Return the body of a request with a target.

    :raises _Answer: it is no JSON object, or too large.
    """
    if _kind(environ) != "application/json":
        raise _refusal(415, "A request with a target cloud must have JSON as its body.")
    if not (environ.get("CONTENT_LENGTH") or environ.get("HTTP_TRANSFER_ENCODING")):
        raise _refusal(411, "A request with a target cloud must have the header Content-Length.")
    body = _json(_buffered(environ), "The request's body")
    if not isinstance(body, dict):
        raise _refusal(400, "The request's body must be a JSON object.")
    return body


def _kind(environ: WSGIEnvironment) -> str:
    """Return the type of a request's body, such as ``application/json``."""
    return str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def _buffered(environ: WSGIEnvironment) -> bytes:
    """Return a request's body, which can be read again then.

    :param environ: of the request; it is changed.
    :raises _Answer: it is too large, or not there as its headers tell.
    """
    if isinstance(environ["wsgi.input"], _Body):
        return environ["wsgi.input"].getvalue()
    chunked = environ.get("HTTP_TRANSFER_ENCODING")
    if chunked and not environ.get("wsgi.input_terminated"):
        raise _refusal(411, "The request must have the header Content-Length.")
    length = 0 if chunked else _length(environ)
    if not chunked and not length:
        return b""
    try:
        content = _exactly(environ["wsgi.input"], length or _BODY_BYTES + 1)
    except (OSError, ValueError):
        raise _refusal(400, "The request's body cannot be read.") from None
    if len(content) > _BODY_BYTES:
        raise _too_large()
    if len(content) < length:
        raise _refusal(400, "The request's body ended before the length that its header tells.")
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    _put(environ, content)
    return content


def _length(environ: WSGIEnvironment) -> int:
    """Return how many bytes a request's body has, as its header tells; 0 without that.

    :raises _Answer: that is no number, or too large a one.
    """
    text = environ.get("CONTENT_LENGTH") or "0"
    if not (text.isascii() and text.isdigit()):
        raise _refusal(400, "The header Content-Length must be a number.")
    if len(text) > 9 or int(text) > _BODY_BYTES:
        raise _too_large()
    return int(text)


def _too_large() -> _Answer:
    return _refusal(
        413,
        f"The body of a request that starts something has at most {_BODY_BYTES} bytes. {_OBJECT}",
    )


def _replace(environ: WSGIEnvironment, body: dict[str, Any]) -> None:
    """Give a request another body."""
    _put(environ, json.dumps(body).encode("ascii"))


def _put(environ: WSGIEnvironment, content: bytes) -> None:
    environ["wsgi.input"] = _Body(content)
    environ["CONTENT_LENGTH"] = str(len(content))


def _started(body: dict[str, Any], resource: str) -> tuple[object, tuple[str, str, str] | None]:
    """Return the name of the action or workflow that a request is about, or where to ask for it.

    :param body: of the request.
    :param resource: that it goes to.
    :returns: the name; and, if it is an id, path and query of a look, and the attribute of the
        answer that has the name.
    """
    if resource == _ACTIONS:
        return body.get("name"), None
    attribute = next((one for one in _WORKFLOW if body.get(one)), "workflow_id")
    name = body.get(attribute)
    if not isinstance(name, str) or not _UUID.fullmatch(name):
        return name, None
    where, field = _WORKFLOW[attribute]
    return None, (f"{where}/{name}", f"fields={field}", field)


def _secrets(inputs: dict[str, Any], started: object) -> list[str]:
    """Return the names of the inputs to be sealed.

    :param started: name of an action or workflow; anything else if it is not known.
    """
    known = sealed.inputs_of(started if isinstance(started, str) else None)
    return [name for name in known if sealed.is_secret(name, inputs.get(name))]


def _sealed(value: Any, project: str, name: str) -> str:
    """Return the value of an input as a text that only executors can read.

    :raises _Answer: it cannot be sealed.
    """
    try:
        return sealed.seal(value, project=project, name=name)
    except exceptions.EncryptionKeyMissing as error:
        # The sentence names files of this machine.
        LOG.error("The input %s cannot be accepted: %s", name, error.message)
        sentence = (
            f"This service has no key to keep the input {name} secret with; it needs a file of "
            "keys (option encryption_keys_file of the group [tripleo])."
        )
        if name in sealed.REFERABLE:
            sentence = f"{sentence} {_OBJECT}"
        raise _refusal(503, sentence) from error
    except exceptions.TripleOError as error:
        raise _refusal(400, error.message) from error


def _exactly(stream: Any, length: int) -> bytes:
    """Read so many bytes; fewer if there are no more."""
    parts = []
    while length and (part := stream.read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _json(content: bytes | str, what: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise _refusal(400, f"{what} is not in valid JSON format.") from None


def _object(body: dict[str, Any], name: str) -> tuple[Any, dict[str, Any]]:
    """Return an attribute that is an object, or the JSON of one; and what puts it back likewise.

    :raises _Answer: it is something else.
    """
    value = body.get(name)
    is_text = isinstance(value, str)
    found = _json(str(value), f"The attribute {name}") if is_text else value
    if found is None:
        found = {}
    if not isinstance(found, dict):
        raise _refusal(400, f"The attribute {name} must be a JSON object.")
    return (json.dumps if is_text else dict), found


def _uuid(value: object) -> str:
    """Return the id that a client gives to its execution.

    :raises _Answer: it is no UUID as Mistral writes them.
    """
    try:
        if isinstance(value, str) and str(uuid.UUID(value)) == value:
            return value
    except ValueError:
        pass
    raise _refusal(
        400, "The id of an execution with a target cloud must be a UUID in its usual spelling."
    )


def _log(what: str, target: targets.Target, user: str, project: str) -> None:
    LOG.info("User %s of project %s: %s gets the target %s", user, project, what, target.auth_url)
    if target.insecure:
        LOG.warning(
            "User %s of project %s: certificates of the target %s are not checked for %s",
            user,
            project,
            target.auth_url,
            what,
        )
