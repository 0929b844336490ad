import threading

import requests

from tests.unit import base
from tripleo_common.undercloud.servers import wsgi


class Server(base.TestCase):
    def serve(self, application):
        """Serve an application; return a session and where it is."""
        server = wsgi.server(application, 0)
        server.prepare()
        thread = threading.Thread(target=server.serve)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.stop)
        session = requests.Session()
        session.trust_env = False
        self.addCleanup(session.close)
        host, port = server.bind_addr
        return session, f"http://{host}:{port}/"

    def test_application_that_closes_what_it_read_does_not_close_the_connection(self):
        """Glance does so after an upload."""

        def application(environ, start_response):
            body = environ["wsgi.input"].read()
            environ["wsgi.input"].close()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]

        session, url = self.serve(application)
        for _ in range(3):
            # Without a length it is sent in chunks.
            answer = session.post(url, data=iter([b"one\n", b"two"]), timeout=60)
            self.assertEqual((200, b"one\ntwo"), (answer.status_code, answer.content))
