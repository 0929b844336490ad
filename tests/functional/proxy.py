"""An HTTP(S) proxy before a service, in the test's process.

It counts requests, terminates TLS, and can play a service that redirects, hangs or is down.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import http.server
import socket
import socketserver
import ssl
import sys
import threading
import urllib.parse

HOST = "127.0.0.1"

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers that are about one connection and not about the message (RFC 9110, section 7.6.1)."""


def token_hash(token):
    """Return how a :class:`Request` names a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Request:
    """What a proxy remembers of a request.

    :ivar path: path and query, as they were sent.
    :ivar token: :func:`token_hash` of its ``X-Auth-Token``, or None.
    """

    method: str
    path: str
    token: str | None


class Proxy:
    """A proxy on a free port of the loopback interface. It listens from the start.

    :ivar upstream: scheme, host and port of the service.
    :ivar url: scheme, host and port to reach it through this proxy.
    """

    def __init__(self, upstream, certificate=None):
        """Open it.

        :param upstream: any URL of the service; its path does not matter.
        :param certificate: a :class:`tests.functional.certificates.Certificate` for TLS.
        """
        parsed = urllib.parse.urlsplit(upstream)
        self.upstream = f"{parsed.scheme}://{parsed.netloc}"
        self._address = (parsed.hostname, parsed.port)
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.path, certificate.key_path)
        self._lock = threading.Lock()
        self._requests = []
        self._connections = {}
        self._answer = None
        self._server = self._bind(0)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://{HOST}:{self.port}"
        self._listen()

    def __enter__(self):
        """Use it for a block."""
        return self

    def __exit__(self, *_):
        """Close it."""
        self.close()

    @property
    def requests(self):
        """All requests since the start or the last :meth:`clear`, in the order of arrival."""
        with self._lock:
            return tuple(self._requests)

    def clear(self):
        """Forget the requests so far; return them."""
        with self._lock:
            requests, self._requests = tuple(self._requests), []
        return requests

    def through(self, url):
        """Return a URL of the service as one of this proxy: the path is kept."""
        if not url.startswith(self.upstream):
            raise ValueError(f"{url} is not below {self.upstream}")
        return self.url + url[len(self.upstream) :]

    def close(self):
        """Stop listening and cut all connections; the port is free then."""
        self._stop()
        self._server.server_close()

    @contextlib.contextmanager
    def down(self):
        """Refuse all connections, as if nothing ran there; the port stays this proxy's."""
        self._stop()
        self._server.server_close()
        # Bound and not listening: the kernel refuses connections, and gives the port to nobody.
        self._server = self._bind(self.port)
        try:
            yield
        finally:
            self._listen()

    @contextlib.contextmanager
    def answering(self, status, headers=None, body=b"", only=lambda request: True):
        """Answer requests here instead of asking the service.

        :param only: which :class:`Request` this is about; the others go where they went before.
        """
        before = self._answer

        def answer(request):
            if only(request):
                return status, list((headers or {}).items()), body
            return before and before(request)

        self._answer = answer
        try:
            yield
        finally:
            self._answer = before

    def redirecting(self, location, status=302, only=lambda request: True):
        """Answer requests with a redirect; see :meth:`answering`."""
        return self.answering(status, {"Location": location}, only=only)

    @contextlib.contextmanager
    def hanging(self, only=lambda request: True):
        """Take requests and never answer; at the end their connections are cut."""
        before = self._answer
        ended = threading.Event()

        def answer(request):
            if only(request):
                ended.wait()
                raise ConnectionAbortedError
            return before and before(request)

        self._answer = answer
        try:
            yield
        finally:
            self._answer = before
            ended.set()

    # The server's side.

    def answer(self, request, headers, body):
        """Return status, headers and body for a request."""
        with self._lock:
            self._requests.append(request)
        answer = self._answer
        return (answer and answer(request)) or self._forward(request, headers, body)

    def accepted(self, connection):
        """Remember a client's connection, so that :meth:`down` can cut it."""
        with self._lock:
            # Another handle of it: a TLS socket may not be touched by two threads.
            self._connections[connection] = connection.dup()

    @contextlib.contextmanager
    def serving(self, connection):
        """Yield a client's connection, with TLS if that is on, until it ends."""
        try:
            if self._context:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    yield secured
            else:
                yield connection
        finally:
            with self._lock:
                self._connections.pop(connection).close()

    def _forward(self, request, headers, body):
        upstream = http.client.HTTPConnection(*self._address)
        try:
            upstream.putrequest(
                request.method, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in headers:
                if name.lower() not in (*_HOP_BY_HOP, "content-length", "x-forwarded-proto"):
                    upstream.putheader(name, value)
            upstream.putheader("X-Forwarded-Proto", urllib.parse.urlsplit(self.url).scheme)
            if body is not None:
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            response = upstream.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            return 502, [], f"{self.upstream} does not answer: {error}".encode()
        finally:
            upstream.close()
        return (
            response.status,
            [
                (name, self._here(value) if name.lower() == "location" else value)
                for name, value in response.getheaders()
                if name.lower() not in _HOP_BY_HOP
                # What a HEAD says of its length cannot be seen from the body.
                and (request.method == "HEAD" or name.lower() != "content-length")
            ],
            content,
        )

    def _here(self, location):
        """Let a redirect of the service lead through this proxy."""
        for base in (self.upstream, f"http://{HOST}:{self.port}"):
            if location.startswith(f"{base}/"):
                return self.url + location[len(base) :]
        return location

    def _bind(self, port):
        server = _Server((HOST, port), _Handler, bind_and_activate=False)
        server.proxy = self
        server.server_bind()
        return server

    def _listen(self):
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _stop(self):
        self._server.shutdown()
        with self._lock:
            for handle in self._connections.values():
                with contextlib.suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def get_request(self):
        connection, client_address = super().get_request()
        self.proxy.accepted(connection)
        return connection, client_address

    def finish_request(self, request, client_address):
        # In the connection's own thread: a slow handshake must not keep others waiting.
        with self.proxy.serving(request) as connection:
            self.RequestHandlerClass(connection, client_address, self)

    def handle_error(self, request, client_address):
        # Clients go away, and handshakes fail, as tests want it; else it is a bug of the proxy.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self):
        try:
            body = self._body()
        except ValueError as error:
            self.close_connection = True
            self.send_error(400, str(error))
            return
        token = self.headers.get("X-Auth-Token")
        request = Request(self.command, self.path, token and token_hash(token))
        status, headers, body = self.server.proxy.answer(request, self.headers.items(), body)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        # An answer to HEAD has the service's own; these have none (RFC 9110, section 8.6).
        if self.command != "HEAD" and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    do_COPY = do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = answer

    def handle_expect_100(self):
        expected = super().handle_expect_100()
        # The client waits for this before it sends the body.
        self.wfile.flush()
        return expected

    def _body(self):
        """Return the request's body, or None if it has none."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(self._chunk, b""))
        length = self.headers.get("Content-Length")
        return None if length is None else self._read(int(length))

    def _chunk(self):
        size = int(self.rfile.readline(1024).split(b";")[0], 16)
        if size:
            data = self._read(size)
            self.rfile.readline(8)
            return data
        while self.rfile.readline(65536).strip():
            pass  # Trailers.
        return b""

    def _read(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise ValueError("The body ends too early.")
        return data

    def log_message(self, *_):
        pass
