import contextlib
import functools
import gzip
import http.server
import io
import os
import pathlib
import signal
import socket
import subprocess
import tarfile
import threading
import time

import ddt
import fixtures

from tests.unit import base, fakes
from tripleo_common import clouds, exceptions
from tripleo_common.plan import sources, tarball

FILES = {"overcloud.yaml": b"heat_template_version: 2018-03-02\n", "d/a.yaml": b"a: 1\n"}

IDENTITY = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "PATH": os.environ.get("PATH", ""),
}


class Web(fixtures.Fixture):
    """An HTTP server on the loopback device.

    :ivar pages: path to a function of the request's handler.
    :ivar requests: ``(path, headers)`` of what was asked.
    """

    def __init__(self, pages):
        super().__init__()
        self.pages = pages
        self.requests = []

    def _setUp(self):
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.requests.append((self.path, dict(self.headers)))
                page = web.pages.get(self.path.partition("?")[0], functools.partial(status, 404))
                with contextlib.suppress(OSError):
                    page(self)
                self.close_connection = True

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"


def status(code, handler, **headers):
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def content(body, **headers):
    def page(handler):
        status(200, handler, **{"Content-Length": str(len(body)), **headers})
        handler.wfile.write(body)

    return page


def redirect(location, code=302):
    return lambda handler: status(code, handler, Location=location)


def git_backend(root):
    """Let git itself answer over HTTP."""

    def page(handler):
        path, _, query = handler.path.partition("?")
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        answer = subprocess.run(
            ["git", "http-backend"],
            env={
                **IDENTITY,
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": handler.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
                "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            },
            input=body,
            capture_output=True,
            check=True,
        ).stdout
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status(int(lines.pop("Status", "200 OK").split()[0]), handler, **lines)
        handler.wfile.write(rest)

    return page


class WithSources(base.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.temporary())
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            self.useFixture(fixtures.EnvironmentVariable(name))
        (self.root / "tmp").mkdir()
        self.useFixture(fixtures.MonkeyPatch("tempfile.tempdir", str(self.root / "tmp")))
        self.addCleanup(self.check_nothing_is_left)
        (self.root / "allowed").mkdir()
        self.set_options(
            source_schemes=["http", "https", "git", "ssh", "file"],
            templates_dir=str(self.root / "default"),
            templates_roots=[str(self.root / "allowed")],
        )

    def check_nothing_is_left(self):
        self.assertEqual([], os.listdir(self.root / "tmp"))

    def fetch(self, url, seconds=30.0, swift=None):
        return sources.fetch(url, swift or self.no_swift, clouds.Deadline(seconds))

    def no_swift(self):
        self.fail("Swift is not asked")

    def refused(self, url, kind=exceptions.InputInvalid, **more):
        error = self.assertRaises(kind, lambda: sorted(self.fetch(url, **more)))
        if kind is exceptions.InputInvalid:
            self.assertEqual("source_url", error.name)
        self.assertNotIn(str(self.root / "tmp"), error.message)
        return error

    def web(self, pages):
        web = self.useFixture(Web(pages))
        self.set_options(source_hosts=[f"127.0.0.1:{web.port}"])
        return web

    def put(self, path, data=b""):
        file = self.root / "allowed" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def git(self, *arguments):
        done = subprocess.run(
            ["git", "-C", str(self.root / "allowed" / "repo.git"), *arguments],
            env=IDENTITY,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def repository(self, files=FILES):
        (self.root / "allowed" / "repo.git").mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit(files)
        return f"file://{self.root}/allowed/repo.git"

    def commit(self, files):
        for path, data in files.items():
            self.put(f"repo.git/{path}", data)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message=x")
        return self.git("rev-parse", "HEAD")


@ddt.ddt
class Refused(WithSources):
    def setUp(self):
        super().setUp()
        self.set_options(
            source_schemes=["https"],
            source_hosts=["git.example.org", "*.example.net", "Upper.example.com:8443", "[::1]"],
        )

    @ddt.data(None, 5, "", [], {}, b"https://git.example.org/x", True)
    def test_what_is_no_text_is_refused(self, url):
        self.assertIn("must be a URL", self.refused(url).message)

    @ddt.data(
        "relative/path",
        "/etc",
        "git@git.example.org:x.git",
        "git.example.org/x.git",
        "https:git.example.org/x.git",
        "https:/git.example.org/x.git",
        "https://[::1/x",
        "https://git.example.org:99999/x",
        "https://git.example.org:x/x",
    )
    def test_what_is_no_url_is_told_the_forms(self, url):
        self.assertIn("swift:CONTAINER/OBJECT", self.refused(url).message)

    @ddt.data(
        "http://git.example.org/x.git",
        "git://git.example.org/x.git",
        "git+http://git.example.org/x.git",
        "ssh://git@git.example.org/x.git",
        "file:///etc/passwd",
        "ftp://git.example.org/x.tar.gz",
        "ext::sh -c x".replace(" ", "%20") + "://x",
        "git+://git.example.org/x",
        "git+git+https://git.example.org/x",
    )
    def test_other_scheme_is_refused_and_the_allowed_are_named(self, url):
        message = self.refused(url).message
        self.assertIn("source_schemes" if "::" not in url else "no URL", message)

    @ddt.data("ext", "ftp", "", "javascript")
    def test_no_option_allows_a_scheme_that_is_not_known(self, scheme):
        self.set_options(source_schemes=[scheme])
        self.assertIn("none", self.refused(f"{scheme or 'x'}://git.example.org/x").message)

    @ddt.data(
        "https://example.org/x",
        "https://git.example.org.evil.org/x",
        "https://evilgit.example.org/x",
        "https://example.net/x",
        "https://evilexample.net/x",
        "https://git.example.org:8443/x",
        "https://upper.example.com/x",
        "https://127.0.0.1/x.tar.gz",
        "https://2130706433/x.tar.gz",
        "https://*.example.net/x",
        "https://git.example.org./x",
        "https://git.example.org%2eevil.org/x",
        "https://git.example.org%00/x",
        "https://git.example.or\u212a/x",
        "https://\u0261it.example.org/x",
        "https://-oProxyCommand=x/x",
        "https:///x",
        "https://:443/x",
        "https://[::1%25lo]/x",
        "https://[::2]/x",
    )
    def test_other_host_is_refused(self, url):
        self.refused(url)

    def test_allowed_hosts_and_the_option_are_named(self):
        message = self.refused("https://evil.org:99/x").message
        self.assertIn("evil.org:99", message)
        self.assertIn("git.example.org", message)
        self.assertIn("source_hosts", message)

    def test_nothing_is_allowed_by_default(self):
        self.set_options(source_hosts=[])
        self.assertIn("none", self.refused("https://git.example.org/x").message)

    @ddt.data(
        "https://git.example.org/x",
        "https://GIT.example.ORG:443/x",
        "HTTPS://a.b.example.net/x",
        "git+https://a.example.net/x",
        "https://upper.example.com:8443/x",
        "https://[::1]/x",
    )
    def test_what_is_allowed_is_not_refused(self, url):
        self.useFixture(fixtures.EnvironmentVariable("PATH", str(self.root)))
        self.assertIn("git is not installed", self.refused(url, exceptions.SourceInvalid).message)

    @ddt.data("s3cret@", "user:s3cret@", ":s3cret@", "s3cret@evil.org@", "@")
    def test_credentials_are_refused_and_not_repeated(self, user):
        message = self.refused(f"https://{user}git.example.org/x").message
        self.assertIn("Credentials do not belong", message)
        self.assertNotIn("s3cret", message)

    @ddt.data("git:s3cret@", "-l@", "a%20b@")
    def test_ssh_has_a_user_and_no_password(self, user):
        self.set_options(source_schemes=["ssh"])
        self.assertNotIn("s3cret", self.refused(f"ssh://{user}git.example.org/x").message)

    @ddt.data(
        "https://git.example.org\\@evil.org/x",
        "https://git.example.org/a b",
        "https://git.example.org/x\n",
        "\x00https://git.example.org/x",
        " https://git.example.org/x",
        "ht\ttps://git.example.org/x",
        "https://git.example.org/\x7f",
        "https://git.example.org/\ud800",
        "https://git.example.org/%0d%0aX",
        "https://git.example.org/%00",
        "--upload-pack=x",
        "-https://git.example.org/x",
        "https://git.example.org/" + "x" * 4000,
    )
    def test_odd_characters_are_refused(self, url):
        self.refused(url)

    @ddt.data(
        "https://git.example.org/x.tar.gz?token=s3cret",
        "https://git.example.org/x?token=s3cret",
    )
    def test_query_is_refused_and_not_repeated(self, url):
        self.assertNotIn("s3cret", self.refused(url).message)

    @ddt.data(
        "-x",
        "--upload-pack=x",
        "a..b",
        "a:b",
        "+a",
        "a^",
        "a~1",
        "@{-1}",
        "a.lock",
        "a/",
        "*",
        "a%20b",
        "x" * 300,
    )
    def test_ref_that_is_none_is_refused(self, ref):
        self.assertIn("no branch", self.refused(f"https://git.example.org/x#{ref}").message)

    def test_tarball_has_no_branch(self):
        self.assertIn("tarball", self.refused("https://git.example.org/x.tgz#main").message)

    @ddt.data(
        "swift:",
        "swift:c",
        "swift:c/",
        "swift:/o",
        "swift://c/o",
        "swift:../o",
        "swift:./o",
        "swift:c/../d",
        "swift:c/./d",
        "swift:c/a//b",
        "swift:c/a\nb",
        "swift:c/\ud800",
    )
    def test_object_that_is_none_is_refused(self, url):
        self.assertIn("swift:CONTAINER/OBJECT", self.refused(url).message)


@ddt.ddt
class OnDisk(WithSources):
    def url(self, path):
        return (self.root / "allowed" / path).as_uri()

    def test_directory_is_read_without_its_hidden_files(self):
        for path, data in {**FILES, ".git/config": b"x", ".gitreview": b"x"}.items():
            self.put(f"my plan/{path}", data)
        self.assertEqual(FILES, self.fetch(self.url("my plan")))
        self.assertEqual(FILES, self.fetch(self.url("my plan").replace("//", "//localhost", 1)))

    @ddt.data("", ".gz", ".bz2", ".xz")
    def test_tarball_is_read_whatever_its_compression(self, compression):
        path = self.put(f"x.tar{compression}")
        with tarfile.open(path, f"w:{compression[1:]}") as archive:
            for name, data in {**FILES, ".gitignore": b"x", "d/.x/y": b"x"}.items():
                info = tarfile.TarInfo(f"tht-1.0/{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        self.assertEqual(FILES, self.fetch(self.url(path.name)))

    @ddt.data("/etc", "/etc/passwd", "{root}", "{root}/allowed/../tmp", "{root}/allowed/link")
    def test_what_lies_elsewhere_is_refused(self, path):
        (self.root / "allowed" / "link").symlink_to("/etc")
        url = f"file://{path.format(root=self.root)}"
        for prefix in ("", "git+"):
            self.assertIn("templates_roots", self.refused(prefix + url).message)
        self.assertIn("templates_roots", self.refused(url.replace("..", "%2e%2e")).message)

    def test_file_urls_must_be_allowed(self):
        self.set_options(source_schemes=["https"])
        self.assertIn("source_schemes", self.refused(self.url("x")).message)

    @ddt.data("file://evil.org{root}/allowed", "file:allowed", "file:///", "file://")
    def test_odd_file_urls_are_refused(self, url):
        self.refused(url.format(root=self.root))

    def test_what_is_neither_file_nor_directory_is_refused(self):
        os.mkfifo(self.root / "allowed" / "pipe")
        self.refused(self.url("pipe"), exceptions.SourceInvalid)

    def test_empty_directory_is_no_plan(self):
        self.put("empty/.git/config", b"x")
        self.assertIn("no files", self.refused(self.url("empty"), exceptions.SourceInvalid).message)

    @ddt.data(b"", b"no tarball", b"\x1f\x8b\x08garbage", b"BZh9garbage", b"\xfd7zXZ\0garbage")
    def test_what_is_no_tarball_is_refused_by_its_url(self, data):
        self.put("x.tar.gz", data)
        error = self.refused(self.url("x.tar.gz"), exceptions.SourceInvalid)
        self.assertEqual(self.url("x.tar.gz"), error.url)
        self.assertIn("not a tarball", error.message)

    def test_path_that_leaves_the_tarball_is_refused_by_its_url(self):
        self.put("x.tgz", tarball.pack({"ok": b"", "../../x": b""}))
        error = self.refused(self.url("x.tgz"), exceptions.PathInvalid)
        self.assertEqual(("../../x", self.url("x.tgz")), (error.path, error.referrer))

    def test_too_many_files_are_refused_by_the_url(self):
        self.set_options(plan_max_files=2)
        self.put("x.tgz", tarball.pack({f"f{n}": b"" for n in range(3)}))
        error = self.refused(self.url("x.tgz"), exceptions.LimitExceeded)
        self.assertEqual((self.url("x.tgz"), "plan_max_files"), (error.what, error.option))

    @ddt.data(b"", b"after a header")
    def test_what_becomes_endless_when_unpacked_is_refused(self, header):
        """A gzip of a GiB is a MiB; tar would read over it, or into memory as a long name."""
        self.set_options(plan_max_mib=2, plan_max_files=10)
        info = tarfile.TarInfo("a")
        if header:
            info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**40
        zeros = gzip.compress(bytes(2**24), 9) * 4
        self.put("x.tgz", gzip.compress(info.tobuf()) + zeros)
        error = self.refused(self.url("x.tgz"), exceptions.LimitExceeded)
        self.assertEqual("plan_max_mib", error.option)


@ddt.ddt
class AllowedPath(WithSources):
    def test_none_is_the_default_plan(self):
        self.assertEqual(self.root / "default", sources.allowed_path(None, "templates_path"))

    def test_default_plan_and_what_is_below_a_root_is_allowed(self):
        (self.root / "default").mkdir()
        self.put("d/a")
        for path in ("default", "allowed", "allowed/d", "allowed/d/a", "allowed/../allowed/d"):
            found = sources.allowed_path(str(self.root / path), "templates_path")
            self.assertEqual((self.root / path).resolve(), found)

    @ddt.data(
        5,
        b"/etc",
        "",
        "a\0b",
        "/etc",
        "relative",
        "\ud800",
        "{}/allowed/none",
        "{}/allowed/loop",
        "{}/allowed/\ud800",
        "{}/allowed/" + "x" * 300,
        "{}/allowed2",
    )
    def test_any_other_is_refused(self, path):
        (self.root / "allowed" / "loop").symlink_to("loop")
        (self.root / "allowed2").mkdir()
        path = path.replace("{}", str(self.root)) if isinstance(path, str) else path
        error = self.assertRaises(
            exceptions.InputInvalid, sources.allowed_path, path, "templates_path"
        )
        self.assertEqual("templates_path", error.name)


@ddt.ddt
class OverHTTP(WithSources):
    def test_tarball_is_read(self):
        web = self.web({"/x.tar.gz": content(tarball.pack(FILES))})
        self.assertEqual(FILES, self.fetch(web.url("/x.tar.gz")))
        self.assertEqual(1, len(web.requests))
        self.assertEqual("identity", web.requests[0][1]["Accept-Encoding"])

    @ddt.data({"Content-Encoding": "gzip"}, {"Content-Type": "text/html"})
    def test_what_a_server_says_of_the_content_does_not_matter(self, headers):
        web = self.web({"/x.tgz": content(tarball.pack(FILES), **headers)})
        self.assertEqual(FILES, self.fetch(web.url("/x.tgz")))

    def test_chunked_body_is_read(self):
        data = tarball.pack(FILES)

        def page(handler):
            handler.protocol_version = "HTTP/1.1"
            status(200, handler, **{"Transfer-Encoding": "chunked"})
            for part in (data[:7], data[7:]):
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            handler.wfile.write(b"0\r\n\r\n")

        self.assertEqual(FILES, self.fetch(self.web({"/x.tgz": page}).url("/x.tgz")))

    @ddt.data(301, 302, 303, 307, 308)
    def test_redirect_is_followed_to_whatever_name_and_query(self, code):
        web = self.web({"/x.tgz": redirect("/y?sig=1", code), "/y": content(tarball.pack(FILES))})
        self.assertEqual(FILES, self.fetch(web.url("/x.tgz")))
        self.assertEqual("/y?sig=1", web.requests[-1][0])

    def test_redirect_to_a_host_that_is_not_allowed_is_not_followed(self):
        other = self.useFixture(Web({"/x.tgz": content(tarball.pack(FILES))}))
        web = self.web({"/x.tgz": redirect(other.url("/x.tgz"))})
        error = self.refused(web.url("/x.tgz"))
        self.assertIn(f"redirects to a URL that names the host 127.0.0.1:{other.port}", str(error))
        self.assertEqual([], other.requests)

    @ddt.data(
        "file:///etc/passwd",
        "https://127.0.0.1:{port}/x",
        "ftp://127.0.0.1:{port}/x",
        "git://127.0.0.1:{port}/x",
        "http://s3cret@127.0.0.1:{port}/x",
        "http://127.0.0.1:{port}\\@evil/x",
        "//evil.org/x",
        "http://\xc3\xa4/x",
    )
    def test_redirect_to_what_is_not_allowed_is_not_followed(self, location):
        web = self.web({})
        self.set_options(source_schemes=["http", "file", "git"])
        web.pages["/x.tgz"] = redirect(location.format(port=web.port))
        error = self.refused(web.url("/x.tgz"))
        self.assertIn("redirects to a URL that", error.message)
        self.assertNotIn("s3cret", error.message)
        self.assertEqual(1, len(web.requests))

    @ddt.data("http://[::1/x", "http://\xe4/x", "http://127.0.0.1:x/")
    def test_redirect_to_what_is_no_url_is_an_answer_that_cannot_be_read(self, location):
        web = self.web({"/x.tgz": redirect(location)})
        self.refused(web.url("/x.tgz"), exceptions.TripleOError)
        self.assertEqual(1, len(web.requests))

    def test_five_redirects_are_followed_and_no_more(self):
        pages = {f"/{n}.tgz": redirect(f"/{n - 1}.tgz") for n in range(1, 7)}
        web = self.web({**pages, "/0.tgz": content(tarball.pack(FILES))})
        self.assertEqual(FILES, self.fetch(web.url("/5.tgz")))
        error = self.refused(web.url("/6.tgz"), exceptions.SourceInvalid)
        self.assertIn("more than 5", error.message)

    def test_status_is_told(self):
        web = self.web({"/forbidden.tgz": lambda handler: status(403, handler)})
        for path, code in (("/none.tgz", 404), ("/forbidden.tgz", 403)):
            error = self.refused(web.url(path), exceptions.SourceInvalid)
            self.assertIn(f"HTTP {code}", error.message)
            self.assertEqual(web.url(path), error.url)

    def test_what_a_signed_redirect_says_is_not_repeated(self):
        web = self.web({"/x.tgz": redirect("/y?sig=s3cret")})
        error = self.refused(web.url("/x.tgz"), exceptions.SourceInvalid)
        self.assertNotIn("s3cret", error.message)
        self.set_options(source_hosts=[f"127.0.0.1:{web.port}", "127.0.0.1:1"])
        web.pages["/x.tgz"] = redirect("http://127.0.0.1:1/y?sig=s3cret")
        error = self.refused(web.url("/x.tgz"), exceptions.SourceInvalid)
        self.assertIn("Connection refused", error.message)
        self.assertNotIn("s3cret", error.message)

    def test_name_that_does_not_resolve_is_told(self):
        self.set_options(source_hosts=["*.invalid"])
        self.refused("https://x.invalid/x.tgz", exceptions.SourceInvalid)
        self.refused(f"https://{'x' * 70}.invalid/x.tgz", exceptions.SourceInvalid)

    def test_server_without_tls_is_told(self):
        web = self.web({})
        url = web.url("/x.tgz").replace("http:", "https:")
        self.assertIn("SSL", self.refused(url, exceptions.SourceInvalid).message)

    def test_truncated_body_is_refused(self):
        data = tarball.pack(FILES)
        web = self.web({"/x.tgz": content(data, **{"Content-Length": str(len(data) + 1)})})
        self.refused(web.url("/x.tgz"), exceptions.SourceInvalid)

    def test_endless_body_is_refused_at_its_limit(self):
        self.set_options(plan_max_mib=1)
        sent = []

        def page(handler):
            status(200, handler)
            while True:
                handler.wfile.write(bytes(2**16))
                sent.append(2**16)

        url = self.web({"/x.tgz": page}).url("/x.tgz")
        error = self.refused(url, exceptions.LimitExceeded)
        self.assertEqual((url, "plan_max_mib"), (error.what, error.option))
        self.assertLess(sum(sent), 30 * 2**20)

    def drip(self, first):
        def page(handler):
            handler.wfile.write(first)
            while True:
                handler.wfile.write(b"x")
                time.sleep(0.02)

        return page

    @ddt.data(b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"")
    def test_body_or_header_that_drips_ends_with_source_timeout(self, first):
        self.set_options(source_timeout=1)
        web = self.web({"/x.tgz": self.drip(first)})
        began = time.monotonic()
        error = self.refused(web.url("/x.tgz"), exceptions.SourceInvalid)
        self.assertLess(time.monotonic() - began, 2)
        self.assertIn("within 1 seconds (option source_timeout", error.message)

    def test_body_that_drips_keeps_no_thread(self):
        web = self.web({"/x.tgz": self.drip(b"HTTP/1.1 200 OK\r\n\r\n")})
        before = set(threading.enumerate())
        self.refused(web.url("/x.tgz"), exceptions.DeadlineExceeded, seconds=0.1)
        for thread in set(threading.enumerate()) - before:
            if thread.name == "tripleo-source":
                thread.join(2)
                self.assertFalse(thread.is_alive())

    def test_deadline_ends_it_earlier(self):
        web = self.web({"/x.tgz": self.drip(b"HTTP/1.1 200 OK\r\n\r\n")})
        error = self.refused(web.url("/x.tgz"), exceptions.DeadlineExceeded, seconds=0.3)
        self.assertEqual(0.3, error.seconds)

    def test_nothing_is_asked_when_no_time_is_left(self):
        web = self.web({})
        self.refused(web.url("/x.tgz"), exceptions.DeadlineExceeded, seconds=0)
        self.assertEqual([], web.requests)

    def test_credentials_of_a_netrc_are_not_sent(self):
        netrc = self.put("netrc", b"machine 127.0.0.1 login me password s3cret\n")
        self.put(".netrc", netrc.read_bytes())
        netrc.chmod(0o600)
        self.useFixture(fixtures.EnvironmentVariable("NETRC", str(netrc)))
        self.useFixture(fixtures.EnvironmentVariable("HOME", str(netrc.parent)))
        ask = functools.partial(status, 401, **{"WWW-Authenticate": "Basic"})
        web = self.web({"/x.tgz": ask, "/x.git/info/refs": ask})
        self.refused(web.url("/x.tgz"), exceptions.SourceInvalid)
        self.refused(web.url("/x.git"), exceptions.SourceInvalid)
        self.assertEqual(2, len(web.requests))
        for _, headers in web.requests:
            self.assertNotIn("Authorization", headers)

    def test_proxy_of_the_executor_is_used(self):
        proxy = self.useFixture(
            Web({"http://plans.example.org/x.tgz": content(tarball.pack(FILES))})
        )
        # What BaseHTTPRequestHandler calls a path is the whole URL here.
        self.useFixture(fixtures.EnvironmentVariable("http_proxy", proxy.url("")))
        self.set_options(source_hosts=["plans.example.org"])
        self.assertEqual(FILES, self.fetch("http://plans.example.org/x.tgz"))


class InSwift(WithSources):
    def setUp(self):
        super().setUp()
        self.set_options(source_schemes=[], source_hosts=[])
        self.cloud = self.useFixture(fakes.Cloud())
        self.cloud.swift.containers["-plans ä"] = {"old/x y": tarball.pack(FILES), "bad": b"x"}
        self.swift = self.cloud.open().swift

    def test_object_is_looked_at_and_then_read(self):
        self.assertEqual(FILES, self.fetch("swift:-plans ä/old/x y", swift=self.swift))
        path = "/-plans ä/old/x y"
        self.assertEqual([f"HEAD {path}", f"GET {path}"], self.cloud.swift.requests)

    def test_missing_object_is_named(self):
        for url in ("swift:none/x", "swift:-plans ä/none"):
            error = self.refused(url, exceptions.SourceInvalid, swift=self.swift)
            self.assertEqual(url, error.url)

    def test_object_that_is_no_tarball_is_named(self):
        self.refused("swift:-plans ä/bad", exceptions.SourceInvalid, swift=self.swift)

    def test_large_object_is_not_read(self):
        def answer(_request, context):
            context.headers["Content-Length"] = str(65 * 2**20)
            return ""

        self.cloud.swift.on("HEAD", "/old", answer)
        url = "swift:-plans ä/old/x y"
        error = self.refused(url, exceptions.LimitExceeded, swift=self.swift)
        self.assertEqual((url, 65, "plan_max_mib"), (error.what, error.size, error.option))
        self.assertEqual(0, self.cloud.swift.count("GET"))

    def test_object_that_has_grown_is_not_read_to_its_end(self):
        self.set_options(plan_max_mib=1)
        self.cloud.swift.containers["-plans ä"]["big"] = bytes(2**20 + 1)

        def answer(_request, context):
            context.headers["Content-Length"] = "9"
            return ""

        self.cloud.swift.on("HEAD", "/big", answer)
        self.refused("swift:-plans ä/big", exceptions.LimitExceeded, swift=self.swift)
        self.assertEqual(b"bytes=0-1048576", self.cloud.swift.sent[-1].headers["Range"])

    def test_empty_object_is_not_read(self):
        def answer(_request, context):
            context.headers["Content-Length"] = "0"
            return ""

        self.cloud.swift.on("HEAD", "/bad", answer)
        self.refused("swift:-plans ä/bad", exceptions.SourceInvalid, swift=self.swift)
        self.assertEqual(0, self.cloud.swift.count("GET"))


@ddt.ddt
class Git(WithSources):
    def test_files_of_head_without_the_hidden(self):
        url = self.repository({**FILES, ".gitreview": b"x", "d/.x/y": b"x", "ä b\n"[:3]: b"1"})
        self.assertEqual({**FILES, "ä b": b"1"}, self.fetch(url))

    def test_what_is_not_committed_does_not_count(self):
        url = self.repository()
        self.put("repo.git/new.yaml", b"x")
        self.assertEqual(FILES, self.fetch(url))

    def test_branch_tag_and_commit(self):
        url = self.repository()
        first = self.git("rev-parse", "HEAD")
        self.git("tag", "--annotate", "--message=x", "v1")
        self.git("branch", "stable/rocky")
        self.git("update-ref", "refs/changes/01/1/1", first)
        self.commit({"new.yaml": b"x"})
        for ref in ("v1", "stable/rocky", first, "refs/changes/01/1/1"):
            self.assertEqual(FILES, self.fetch(f"{url}#{ref}"), ref)
        self.assertIn("new.yaml", self.fetch(f"{url}#main"))
        self.assertIn("new.yaml", self.fetch(f"git+{url}"))

    def test_missing_ref_is_told_in_gits_words(self):
        url = self.repository() + "#none"
        error = self.refused(url, exceptions.SourceInvalid)
        self.assertEqual(url, error.url)
        self.assertIn("couldn't find remote ref none", error.message)

    def test_missing_commit_is_told(self):
        self.refused(self.repository() + "#" + "0" * 39 + "1", exceptions.SourceInvalid)

    def test_what_is_no_repository_is_told(self):
        self.put("x.git/a")
        error = self.refused(f"file://{self.root}/allowed/x.git", exceptions.SourceInvalid)
        self.assertIn("does not appear to be a git repository", error.message)

    def test_repository_of_another_owner_is_read(self):
        url = self.repository()
        if os.getuid():
            self.skipTest("needs root, to give a directory away")
        for path in (self.root / "allowed" / "repo.git", self.root / "allowed/repo.git/.git"):
            os.chown(path, 12345, 12345)
        self.assertEqual(FILES, self.fetch(url))

    def test_link_to_a_file_is_its_content(self):
        url = self.repository()
        for name, target in (("d/l", "../overcloud.yaml"), ("l", "d/l")):
            (self.root / "allowed" / "repo.git" / name).symlink_to(target)
        self.commit({})
        self.assertEqual(FILES["overcloud.yaml"], self.fetch(url)["l"])

    @ddt.data("/etc/passwd", "../../../etc/passwd", "none", "d", "l", "..", "x" * 4000, ".git/HEAD")
    def test_other_link_is_refused(self, target):
        url = self.repository()
        (self.root / "allowed" / "repo.git" / "l").symlink_to(target)
        self.commit({})
        self.assertEqual("l", self.refused(url, exceptions.PathInvalid).path)

    @ddt.data("a\\b", "c:d", "a\x01b", "~")
    def test_path_that_no_plan_can_have_is_refused(self, path):
        url = self.repository({path: b"x"})
        self.assertEqual(path, self.refused(url, exceptions.PathInvalid).path)

    def test_submodule_is_left_out(self):
        url = self.repository()
        head = self.git("rev-parse", "HEAD")
        self.git("update-index", "--add", "--cacheinfo", f"160000,{head},100644 blob a 1\tsub")
        self.git("commit", "--quiet", "--message=x")
        self.assertEqual(FILES, self.fetch(url))

    def test_filters_and_hooks_are_not_run(self):
        url = self.repository({**FILES, ".gitattributes": b"* filter=x text eol=crlf ident\n"})
        marker = self.root / "ran"
        self.git("config", "filter.x.smudge", f"touch {marker}")
        self.git("config", "uploadpack.packObjectsHook", f"touch {marker}; exec")
        hook = self.put(
            "repo.git/.git/hooks/post-checkout", f"#!/bin/sh\ntouch {marker}\n".encode()
        )
        hook.chmod(0o755)
        home = self.put("home/.gitconfig", f"[core]\nsshCommand = touch {marker}\n".encode())
        self.useFixture(fixtures.EnvironmentVariable("HOME", str(home.parent)))
        for name in ("GIT_DIR", "GIT_CONFIG_PARAMETERS", "GIT_SSH", "GIT_EXEC_PATH"):
            self.useFixture(fixtures.EnvironmentVariable(name, str(self.root / "nowhere")))
        self.assertEqual(FILES, self.fetch(url))
        self.assertFalse(marker.exists())

    def test_too_many_files_are_refused(self):
        self.set_options(plan_max_files=1)
        error = self.refused(self.repository(), exceptions.LimitExceeded)
        self.assertEqual("plan_max_files", error.option)

    def test_too_large_a_file_is_refused(self):
        self.set_options(file_max_mib=1)
        url = self.repository({"big": bytes(2**20 + 1)})
        self.assertEqual("big", self.refused(url, exceptions.LimitExceeded).what)

    def test_links_count_as_what_they_lead_to(self):
        self.set_options(plan_max_mib=1)
        url = self.repository({"big": bytes(2**20)})
        (self.root / "allowed" / "repo.git" / "l").symlink_to("big")
        self.commit({})
        self.assertEqual("plan_max_mib", self.refused(url, exceptions.LimitExceeded).option)

    def test_large_repository_is_not_fetched_to_its_end(self):
        self.set_options(plan_max_mib=1)
        url = self.repository({".big": os.urandom(4 * 2**20)})
        error = self.refused(url, exceptions.LimitExceeded)
        self.assertEqual((url, "plan_max_mib"), (error.what, error.option))

    def test_tree_that_holds_itself_many_times_is_refused(self):
        self.set_options(plan_max_mib=1)
        url = self.repository({"0/a": b"x"})
        tree = self.git("rev-parse", "HEAD:0")
        for _ in range(9):
            lines = "".join(f"040000 tree {tree}\tf{n}\n" for n in range(10))
            tree = (
                subprocess.run(
                    ["git", "-C", str(self.root / "allowed/repo.git"), "mktree"],
                    env=IDENTITY,
                    input=lines.encode(),
                    capture_output=True,
                    check=True,
                )
                .stdout.decode()
                .strip()
            )
        self.git("update-ref", "HEAD", self.git("commit-tree", "-m", "x", tree))
        self.refused(url, exceptions.LimitExceeded)

    def test_repository_over_http(self):
        self.repository()
        web = self.web({})
        for path in ("info/refs", "git-upload-pack"):
            web.pages[f"/repo.git/{path}"] = git_backend(self.root / "allowed")
        self.assertEqual(FILES, self.fetch(web.url("/repo.git")))
        self.assertEqual(FILES, self.fetch(f"git+{web.url('/repo.git')}#main"))

    def test_url_that_is_no_tarball_is_a_repository(self):
        web = self.web({})
        self.refused(web.url("/openstack/tripleo-heat-templates"), exceptions.SourceInvalid)
        self.assertIn("service=git-upload-pack", web.requests[0][0])

    def test_redirect_is_not_followed(self):
        other = self.useFixture(Web({}))
        web = self.web({"/x.git/info/refs": redirect(other.url("/x.git/info/refs"))})
        self.refused(web.url("/x.git"), exceptions.SourceInvalid)
        self.assertEqual([], other.requests)

    def test_repository_of_a_daemon(self):
        self.repository()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        daemon = subprocess.Popen(
            [
                *("git", "daemon", "--export-all", "--listen=127.0.0.1", f"--port={port}"),
                *("--reuseaddr", f"--base-path={self.root / 'allowed'}"),
            ],
            env=IDENTITY,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.addCleanup(daemon.wait)
        self.addCleanup(os.killpg, daemon.pid, signal.SIGTERM)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        self.set_options(source_hosts=[f"127.0.0.1:{port}"])
        self.assertEqual(FILES, self.fetch(f"git://127.0.0.1:{port}/repo.git"))

    def fake_program(self, name, script):
        path = self.put(f"bin/{name}", f"#!/bin/sh\n{script}\n".encode())
        path.chmod(0o755)
        self.useFixture(fixtures.EnvironmentVariable("PATH", f"{path.parent}:{os.environ['PATH']}"))

    def test_ssh_never_asks_and_knows_its_hosts(self):
        self.set_options(source_hosts=["git.example.org:29418"])
        told = self.root / "told"
        self.fake_program("ssh", f"echo \"$@\" >{told}; echo 'Host key bad \033[1m.' >&2; exit 255")
        url = "ssh://git@git.example.org:29418/x.git"
        error = self.refused(url, exceptions.SourceInvalid)
        self.assertIn("git says: Host key bad [1m.", error.message)
        self.assertIn("-o BatchMode=yes -o StrictHostKeyChecking=yes", told.read_text())
        self.assertIn("-p 29418 git@git.example.org git-upload-pack '/x.git'", told.read_text())

    def test_time_that_is_up_ends_git_and_all_that_it_has_started(self):
        self.set_options(source_hosts=["git.example.org"], source_timeout=1)
        told = self.root / "told"
        self.fake_program("ssh", f"echo $$ >{told}; exec sleep 100")
        began = time.monotonic()
        url = "ssh://git@git.example.org/x.git"
        error = self.refused(url, exceptions.SourceInvalid)
        self.assertLess(time.monotonic() - began, 3)
        self.assertIn("source_timeout", error.message)
        child = pathlib.Path("/proc") / told.read_text().strip() / "stat"
        for _ in range(100):
            # Nobody may be there to wait for it; then it stays as a zombie (Z).
            if not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            time.sleep(0.02)
        self.fail("ssh is still there")

    def test_executor_without_git_says_so(self):
        url = self.repository()
        self.useFixture(fixtures.EnvironmentVariable("PATH", str(self.root)))
        error = self.refused(url, exceptions.SourceInvalid)
        self.assertIn("git is not installed", error.message)
