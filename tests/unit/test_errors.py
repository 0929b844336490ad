import ddt
import ironic_inspector_client
import requests
from cinderclient import exceptions as cinder_exc
from glanceclient import exc as glance_exc
from heatclient import exc as heat_exc
from ironicclient import exc as ironic_exc
from keystoneauth1 import exceptions as ksa_exc
from keystoneclient import exceptions as keystone_exc
from mistralclient.api import base as mistral_base
from neutronclient.common import exceptions as neutron_exc
from novaclient import exceptions as nova_exc
from swiftclient import exceptions as swift_exc

from tests.unit import base, fakes
from tripleo_common import clouds, exceptions

NAMES = {"http://heat.test:8004/v1/p1": "orchestration", fakes.IDENTITY: "identity"}
SECRET = "canary-secret-77"


def swift_error(status, host="swift.test"):
    return swift_exc.ClientException(
        "Object GET failed",
        http_scheme="http",
        http_host=host,
        http_port=8080,
        http_path=f"/v1/AUTH_p1/plan?temp_url_sig={SECRET}",
        http_status=status,
        http_reason="Because",
        http_response_content=SECRET,
    )


def inspector_error(status):
    response = requests.Response()
    response.status_code = status
    response._content = b'{"error": {"message": "Node x"}}'
    return ironic_inspector_client.ClientError(response)


@ddt.ddt
class Translate(base.TestCase):
    def translate(self, error):
        return clouds.translate(error, NAMES)

    def test_error_of_ours_stays_what_it_is(self):
        error = exceptions.StackNotFound("x")
        self.assertIs(error, self.translate(error))

    @ddt.data(
        (swift_error(401), exceptions.NotAllowed, "object-store"),
        (swift_error(403), exceptions.NotAllowed, "object-store"),
        (swift_error(404), exceptions.ServiceRefused, "object-store"),
        (swift_error(413), exceptions.ServiceRefused, "object-store"),
        (swift_error(500), exceptions.ServiceRefused, "object-store"),
        (swift_error(503), exceptions.ServiceUnavailable, "object-store"),
        (swift_error(507), exceptions.ServiceUnavailable, "object-store"),
        (swift_error(None), exceptions.ServiceUnavailable, "object-store"),
        (swift_exc.ClientException("x"), exceptions.ServiceUnavailable, "object-store"),
        (heat_exc.HTTPBadRequest("bad"), exceptions.ServiceRefused, "orchestration"),
        (heat_exc.HTTPUnauthorized("no"), exceptions.NotAllowed, "orchestration"),
        (heat_exc.HTTPForbidden("no"), exceptions.NotAllowed, "orchestration"),
        (heat_exc.HTTPNotFound("none"), exceptions.ServiceRefused, "orchestration"),
        (heat_exc.HTTPConflict("busy"), exceptions.ServiceRefused, "orchestration"),
        (heat_exc.HTTPInternalServerError("x"), exceptions.ServiceRefused, "orchestration"),
        (heat_exc.HTTPServiceUnavailable("x"), exceptions.ServiceUnavailable, "orchestration"),
        (heat_exc.HTTPException("x"), exceptions.ServiceRefused, "orchestration"),
        (mistral_base.APIException(400, "bad"), exceptions.ServiceRefused, "workflowv2"),
        (mistral_base.APIException(403, "no"), exceptions.NotAllowed, "workflowv2"),
        (mistral_base.APIException(503, None), exceptions.ServiceUnavailable, "workflowv2"),
        (mistral_base.APIException(None, "x"), exceptions.ServiceRefused, "workflowv2"),
        (glance_exc.HTTPNotFound("no image"), exceptions.ServiceRefused, "image"),
        (glance_exc.HTTPForbidden("no"), exceptions.NotAllowed, "image"),
        (glance_exc.HTTPServiceUnavailable("x"), exceptions.ServiceUnavailable, "image"),
        (glance_exc.CommunicationError("no http://a/"), exceptions.ServiceUnavailable, "image"),
        (glance_exc.InvalidEndpoint("x"), exceptions.ServiceRefused, "image"),
        (
            heat_exc.CommunicationError("http://a/: no"),
            exceptions.ServiceUnavailable,
            "orchestration",
        ),
        (ironic_exc.NotFound("no node"), exceptions.ServiceRefused, "baremetal"),
        (ironic_exc.Conflict("locked"), exceptions.ServiceRefused, "baremetal"),
        (ironic_exc.Unauthorized("no"), exceptions.NotAllowed, "baremetal"),
        (ironic_exc.ServiceUnavailable("x"), exceptions.ServiceUnavailable, "baremetal"),
        (ironic_exc.ConnectionRefused("x"), exceptions.ServiceUnavailable, "baremetal"),
        (ironic_exc.InvalidAttribute("x"), exceptions.ServiceRefused, "baremetal"),
        (inspector_error(404), exceptions.ServiceRefused, "baremetal-introspection"),
        (inspector_error(403), exceptions.NotAllowed, "baremetal-introspection"),
        (inspector_error(503), exceptions.ServiceUnavailable, "baremetal-introspection"),
        (
            ironic_inspector_client.VersionNotSupported((1, 9), ((1, 0), (1, 8))),
            exceptions.ServiceRefused,
            "baremetal-introspection",
        ),
        (keystone_exc.NoMatchingPlugin("x"), exceptions.ServiceRefused, "identity"),
        (nova_exc.NotFound(404, "no server"), exceptions.ServiceRefused, "compute"),
        (nova_exc.Forbidden(403, "no"), exceptions.NotAllowed, "compute"),
        (cinder_exc.NotFound(404, "none"), exceptions.ServiceRefused, "volumev3"),
        (cinder_exc.ConnectionError("x"), exceptions.ServiceUnavailable, "volumev3"),
        (neutron_exc.NotFound("none"), exceptions.ServiceRefused, "network"),
        (neutron_exc.Unauthorized("no"), exceptions.NotAllowed, "network"),
        (
            neutron_exc.ConnectionFailed(reason="x"),
            exceptions.ServiceUnavailable,
            "network",
        ),
        (ksa_exc.Unauthorized(url=fakes.IDENTITY), exceptions.NotAllowed, "identity"),
        (ksa_exc.Forbidden(url=fakes.IDENTITY), exceptions.NotAllowed, "identity"),
        (ksa_exc.ServiceUnavailable(url=fakes.IDENTITY), exceptions.ServiceUnavailable, "identity"),
        (ksa_exc.BadGateway(url=fakes.IDENTITY), exceptions.ServiceUnavailable, "identity"),
        (ksa_exc.NotFound(url=fakes.IDENTITY), exceptions.ServiceRefused, "identity"),
        (ksa_exc.AuthorizationFailure("no"), exceptions.ServiceRefused, "identity"),
    )
    @ddt.unpack
    def test_error_of_a_client_becomes_ours_and_names_the_service(self, error, kind, service):
        ours = self.translate(error)
        self.assertIs(kind, type(ours))
        self.assertEqual(service, ours.service)
        self.assertIn(service, ours.message)

    @ddt.data(400, 404, 409, 500)
    def test_status_is_kept_as_data(self, status):
        self.assertEqual(status, self.translate(swift_error(status)).status)
        self.assertEqual(status, self.translate(mistral_base.APIException(status, "x")).status)
        self.assertEqual(status, self.translate(inspector_error(status)).status)

    def test_words_of_the_service_are_told_and_not_endlessly(self):
        ours = self.translate(mistral_base.APIException(400, "Invalid: " + "x" * 100000))
        self.assertIn("Invalid: ", ours.message)
        self.assertLess(len(ours.message), 3000)

    def test_words_that_came_as_bytes_are_told_as_text(self):
        ours = self.translate(mistral_base.APIException(400, b"<html>Bad</html>"))
        self.assertIn(": <html>Bad</html>", ours.message)
        self.assertNotIn("b'", ours.message)

    @ddt.data(
        ksa_exc.ConnectFailure(
            "Unable to establish connection to http://heat.test:8004/v1/p1/stacks: refused"
        ),
        ksa_exc.ConnectTimeout("Request to http://heat.test:8004/v1/p1/stacks timed out"),
        requests.exceptions.ConnectionError(
            request=requests.Request("GET", "http://heat.test:8004/v1/p1/x").prepare()
        ),
        requests.exceptions.ReadTimeout(
            request=requests.Request("GET", "http://heat.test:8004/v1/p1/x").prepare()
        ),
    )
    def test_service_that_cannot_be_reached_is_named_with_its_address(self, error):
        ours = self.translate(error)
        self.assertIs(exceptions.ServiceUnavailable, type(ours))
        self.assertEqual(("orchestration", "http://heat.test:8004"), (ours.service, ours.url))

    @ddt.data(ksa_exc.ConnectFailure("no idea where"), requests.exceptions.ConnectionError())
    def test_unreachable_service_without_a_name_is_still_a_sentence(self, error):
        ours = self.translate(error)
        self.assertIs(exceptions.ServiceUnavailable, type(ours))
        self.assertIn("cannot be reached", ours.message)

    def test_slow_service_is_told_from_an_absent_one(self):
        slow = self.translate(ksa_exc.ConnectTimeout("http://heat.test:8004/ timed out"))
        absent = self.translate(ksa_exc.ConnectFailure("http://heat.test:8004/ refused"))
        self.assertIn("in time", slow.message)
        self.assertNotIn("in time", absent.message)

    @ddt.data(ValueError("x"), KeyError("x"), OSError("x"), MemoryError(), RecursionError())
    def test_what_is_no_clients_error_is_not_ours_to_explain(self, error):
        self.assertIsNone(self.translate(error))

    @ddt.data(
        swift_error(503),
        swift_error(404),
        swift_error(None),
        glance_exc.CommunicationError(f"no http://admin:{SECRET}@glance.test/v2?t={SECRET}"),
        ksa_exc.ConnectFailure(
            f"Unable to establish connection to http://admin:{SECRET}@heat.test:8004/v1?t={SECRET}"
        ),
        ksa_exc.ServiceUnavailable(url=f"http://heat.test:8004/v1?token={SECRET}"),
        ksa_exc.ServiceUnavailable(url=f"http://admin:{SECRET}@heat.test:8004/v1"),
        requests.exceptions.ConnectionError(
            request=requests.Request(
                "GET", f"http://swift.test/v1?temp_url_sig={SECRET}", {"X-Auth-Token": SECRET}
            ).prepare()
        ),
    )
    def test_error_holds_no_secret(self, error):
        ours = self.translate(error)
        self.assertNotIn(SECRET, str(ours.to_dict()))
