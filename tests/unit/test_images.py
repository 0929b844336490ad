import json
import re

import ddt
import glanceclient.exc
import requests_mock

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.baremetal import images

KERNEL, RAMDISK = "6e2c5d0a-0000-4000-8000-000000000001", "6e2c5d0a-0000-4000-8000-000000000002"
GIVEN = {"deploy_kernel": KERNEL, "deploy_ramdisk": RAMDISK}


class Glance(fakes.Service):
    """Images.

    :ivar images: id to name.
    :ivar hidden: ids of images that lists do not show.
    """

    page = 20

    def __init__(self, url):
        super().__init__(url)
        self.images = {}
        self.hidden = set()

    def answer(self, request, context, path, query):
        if path == "/v2/schemas/image":
            names = ("id", "name", "status", "file", "self", "schema")
            return {"name": "image", "properties": {name: {"type": "string"} for name in names}}
        identity = path.removeprefix("/v2/images").strip("/")
        if identity:
            if identity not in self.images:
                context.status_code = 404
                context.headers["Content-Type"] = "text/html"
                return "<title>404</title>"
            return self._show(identity)
        found = [
            image
            for image, name in sorted(self.images.items())
            if image > query.get("marker", "")
            and image not in self.hidden
            and query.get("name", name) == name
        ]
        body = {"images": [self._show(image) for image in found[: self.page]]}
        if len(found) > self.page:
            body["next"] = f"/v2/images?marker={found[self.page - 1]}"
        return body

    def _show(self, image):
        return {"id": image, "name": self.images[image], "status": "active"}


class WithGlance(fakes.Cloud):
    """A cloud that has images as well, if ``glance_region`` is not None."""

    glance_region = "regionOne"

    def _setUp(self):
        super()._setUp()
        self.glance = Glance("http://glance.test:9292")
        self.http.register_uri(
            requests_mock.ANY, re.compile(r"^http://glance\.test:9292/"), content=self.glance
        )

    def token(self):
        token = super().token()
        if self.glance_region:
            token.add_service("image", "glance").add_standard_endpoints(
                public=self.glance.url, region=self.glance_region
            )
        return token


@ddt.ddt
class DeployImages(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(WithGlance())
        self.glance = self.cloud.glance
        self.glance.images.update({KERNEL: "bm-deploy-kernel", RAMDISK: "bm-deploy-ramdisk"})

    def find(self, *names):
        return images.deploy_images(self.cloud.open(), *names)

    def refused(self, error, *names):
        return self.assertRaises(error, self.find, *names)

    def test_images_are_found_by_name(self):
        self.glance.images["6e2c5d0a-0000-4000-8000-000000000003"] = "mine"
        found = self.find("mine", "bm-deploy-ramdisk")
        self.assertEqual({**GIVEN, "deploy_kernel": "6e2c5d0a-0000-4000-8000-000000000003"}, found)

    def test_images_are_found_by_uuid(self):
        self.assertEqual(GIVEN, self.find(KERNEL, RAMDISK))

    def test_image_that_lists_do_not_show_is_found_by_its_uuid(self):
        self.glance.hidden.update((KERNEL, RAMDISK))
        self.assertEqual(GIVEN, self.find(KERNEL, RAMDISK))
        self.refused(exceptions.ImageNotFound, "bm-deploy-kernel")

    def test_name_that_looks_like_a_uuid_is_a_name_first(self):
        self.glance.images["6e2c5d0a-0000-4000-8000-000000000003"] = RAMDISK
        self.assertEqual(
            "6e2c5d0a-0000-4000-8000-000000000003", self.find(None, RAMDISK)["deploy_ramdisk"]
        )

    def test_without_names_those_that_are_configured_are_taken_if_they_exist(self):
        self.assertEqual(GIVEN, self.find())
        del self.glance.images[KERNEL]
        self.assertEqual({"deploy_ramdisk": RAMDISK}, self.find())
        self.glance.images.clear()
        self.assertEqual({}, self.find())

    def test_default_that_is_not_there_costs_one_request_however_many_images_there_are(self):
        self.glance.images.clear()
        self.glance.images.update({f"image-{number:03}": "other" for number in range(100)})
        self.find()
        asked = [line for line in self.glance.requests if line == "GET /v2/images"]
        self.assertEqual(2, len(asked))

    def test_defaults_are_options(self):
        self.set_options(deploy_kernel="other", deploy_ramdisk="http://www.test/ramdisk")
        self.glance.images["6e2c5d0a-0000-4000-8000-000000000003"] = "other"
        self.assertEqual(
            {
                "deploy_kernel": "6e2c5d0a-0000-4000-8000-000000000003",
                "deploy_ramdisk": "http://www.test/ramdisk",
            },
            self.find(),
        )
        self.set_options(deploy_kernel="", deploy_ramdisk="")
        self.glance.requests.clear()
        self.assertEqual({}, self.find())
        self.assertEqual([], self.glance.requests)

    def test_image_that_is_not_there_is_told_with_those_that_are(self):
        self.glance.images["6e2c5d0a-0000-4000-8000-000000000004"] = None
        for number in range(30):
            self.glance.images[f"image-{number:03}"] = f"other-{number:03}"
        for name in ("no-such", "6e2c5d0a-0000-4000-8000-000000000009"):
            error = self.refused(exceptions.ImageNotFound, name)
            self.assertEqual(name, error.image)
            self.assertEqual(33, len(error.available))
            self.assertIn("6e2c5d0a-0000-4000-8000-000000000004", error.available)
            self.assertIn("bm-deploy-kernel", error.message)

    def test_name_never_becomes_a_part_of_a_path(self):
        self.refused(exceptions.ImageNotFound, "../../v2/tasks")
        self.assertEqual({"GET /v2/images"}, set(self.glance.requests) - {"GET /v2/schemas/image"})

    def test_name_that_several_images_have_is_refused(self):
        self.glance.images["6e2c5d0a-0000-4000-8000-000000000003"] = "bm-deploy-ramdisk"
        error = self.refused(exceptions.InputInvalid, None, "bm-deploy-ramdisk")
        self.assertEqual("ramdisk_name", error.name)
        self.assertIn("2 images", error.message)
        self.assertEqual(GIVEN, self.find(None, RAMDISK))

    @ddt.data(
        "http://www.test/kernel",
        "https://www.test:8443/a/kernel?version=5",
        "http://[2001:db8::1]:80/kernel",
        "file:///var/lib/ironic/kernel",
    )
    def test_url_is_taken_as_it_is_and_glance_is_not_asked(self, url):
        self.assertEqual({"deploy_kernel": url, "deploy_ramdisk": url}, self.find(url, url))
        self.assertEqual([], self.glance.requests)

    @ddt.data(
        "ftp://www.test/kernel",
        "://",
        "http://",
        "http:///kernel",
        "http://user:canary@www.test/kernel",
        "http://@www.test/kernel",
        "http://www.test:0/kernel",
        "http://www.test:99999/kernel",
        "http://www.test:x/kernel",
        "http://[::1/kernel",
        "http://www.test/a\nb",
        "http://www.test/a b",
        "http://www.test/\x00",
        "http://www.test/../kernel",
        "file://host/kernel",
        "file:///var/lib/../../etc/shadow",
        "file://",
        "glance://x",
        "HTTP",
    )
    def test_what_is_no_image_is_refused(self, text):
        kind = exceptions.InputInvalid if "://" in text else exceptions.ImageNotFound
        error = self.refused(kind, text)
        self.assertNotIn("canary", json.dumps(error.to_dict()))

    @ddt.data(5, True, "", [], ["a"], {}, 0, False, b"kernel")
    def test_input_of_another_kind_is_named_and_no_request_made(self, value):
        for names, named in (((value,), "kernel_name"), ((KERNEL, value), "ramdisk_name")):
            error = self.refused(exceptions.InputInvalid, *names)
            self.assertEqual(named, error.name)

    def test_cloud_without_glance_has_no_defaults(self):
        self.cloud.glance_region = None
        self.assertEqual({}, self.find())
        self.assertEqual({"deploy_kernel": "http://www.test/k"}, self.find("http://www.test/k"))
        error = self.refused(exceptions.ServiceNotFound, "bm-deploy-kernel")
        self.assertEqual("image", error.service)

    def test_region_without_glance_has_no_defaults(self):
        self.cloud.glance_region = "regionTwo"
        opened = self.cloud.open(region_name="regionOne")
        self.assertEqual({}, images.deploy_images(opened))
        self.assertRaises(exceptions.RegionNotFound, images.deploy_images, opened, "a")

    def test_glance_that_refuses_is_no_image_that_is_missing(self):
        self.glance.fail("GET", "^/v2/images", 403)
        self.assertRaises(glanceclient.exc.HTTPForbidden, self.find)
