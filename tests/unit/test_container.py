import ddt
from swiftclient import exceptions as swift_exc

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.plan import container


class WithContainer(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fakes.Cloud())
        self.swift = self.cloud.swift
        self.container = container.Container(self.cloud.open(), "plan")

    @property
    def objects(self):
        return self.swift.containers["plan"]


@ddt.ddt
class Create(WithContainer):
    def test_container_is_made_and_marked_as_a_plans(self):
        self.container.create()
        self.assertEqual({}, self.objects)
        self.assertEqual("plan", self.swift.metadata["plan"][container.USAGE_HEADER])

    def test_existing_one_is_refused_and_not_touched(self):
        self.swift.containers["plan"] = {"a": b"1"}
        error = self.assertRaises(exceptions.PlanExists, self.container.create)
        self.assertEqual(("plan", "container"), (error.plan, error.part))
        self.assertEqual(0, self.swift.count("PUT"))

    def test_of_two_who_create_at_once_one_is_refused(self):
        def somebody_is_faster(_request, _context):
            self.swift.containers["plan"] = {}

        self.swift.on("PUT", "/plan$", somebody_is_faster)
        self.assertRaises(exceptions.PlanExists, self.container.create)

    def test_opening_makes_no_request(self):
        self.assertEqual([], self.swift.requests)

    @ddt.data(401, 403)
    def test_refusal_is_not_taken_for_absence(self, status):
        self.swift.fail("HEAD", "/plan", status)
        self.assertRaises(swift_exc.ClientException, self.container.exists)


@ddt.ddt
class Files(WithContainer):
    def setUp(self):
        super().setUp()
        self.swift.containers["plan"] = {
            "a.yaml": b"1",
            "d/ä b.yaml": "ü".encode(),
            "image.png": b"\x89PNG\xff\xfe",
        }

    def test_listing_is_complete_however_many_pages_swift_makes_of_it(self):
        self.swift.page = 2
        self.assertEqual({"a.yaml", "d/ä b.yaml", "image.png"}, set(self.container.look().objects))

    def test_listing_of_what_is_not_there_is_a_typed_error(self):
        self.swift.containers.clear()
        error = self.assertRaises(exceptions.ContainerNotFound, self.container.look)
        self.assertEqual("plan", error.plan)

    def test_files_are_read_as_they_are(self):
        self.assertEqual(self.objects, self.container.read(self.container.look().objects))

    def test_one_file_is_read_or_is_not_there(self):
        self.assertEqual(b"1", self.container.get("a.yaml"))
        self.assertIsNone(self.container.get("none"))
        self.swift.containers.clear()
        self.assertIsNone(self.container.get("a.yaml"))

    def test_look_can_be_at_a_part(self):
        self.assertEqual({"d/ä b.yaml"}, set(self.container.look("d/").objects))
        self.assertEqual(set(), set(self.container.look("none/").objects))

    def test_part_is_complete_however_many_pages_swift_makes_of_it(self):
        self.swift.containers["plan"] = {f"{d}/f{n:02}": b"" for d in "abc" for n in range(25)}
        self.swift.page = 10
        self.assertEqual(25, len(self.container.look("b/").objects))

    def test_revision_that_it_shows_is_remembered_until_it_is_taken_back(self):
        self.assertIsNone(self.container.look().revision)
        self.container.mark_revision(7)
        self.assertEqual(7, self.container.look().revision)
        self.container.mark_revision(None)
        self.assertIsNone(self.container.look().revision)

    @ddt.data("x", "-1", "1.5", " ")
    def test_mark_that_is_none_of_ours_is_none(self, mark):
        self.swift.metadata["plan"] = {container.REVISION_HEADER: mark}
        self.assertIsNone(self.container.look().revision)

    def test_path_that_http_would_make_another_of_is_refused(self):
        for path in ("../other/a", "a/../../b", "/a", "a//b"):
            self.assertRaises(exceptions.PathInvalid, self.container.write, {path: b"1"})
        self.assertEqual([], self.swift.requests)

    @ddt.data(1, 2, 8, 64)
    def test_each_file_has_its_own_content_however_many_are_read_at_a_time(self, threads):
        self.set_options(transfer_threads=threads)
        self.swift.containers["plan"] = {f"f{n}": b"%d" % n for n in range(50)}
        found = self.container.read(self.container.look().objects)
        self.assertEqual({f"f{n}": b"%d" % n for n in range(50)}, found)

    def test_file_that_has_gone_since_the_listing_is_named(self):
        listing = self.container.look().objects
        del self.objects["a.yaml"]
        error = self.assertRaises(exceptions.FileNotInPlan, self.container.read, listing)
        self.assertEqual("a.yaml", error.path)

    @ddt.data(({"plan_max_files": 2}, "plan_max_files"), ({"file_max_mib": 1}, "file_max_mib"))
    @ddt.unpack
    def test_too_much_is_refused_before_anything_is_read(self, limits, option):
        self.set_options(**limits)
        listing = {**self.container.look().objects, "z": container.Object("x", 2**20 + 1)}
        before = len(self.swift.requests)
        error = self.assertRaises(exceptions.LimitExceeded, self.container.read, listing)
        self.assertEqual(option, error.option)
        self.assertEqual(before, len(self.swift.requests))

    def test_files_are_written_whatever_is_there(self):
        self.container.write({"a.yaml": b"1", "d/ä b.yaml": b"changed", "new": b"n"})
        self.assertEqual(3, self.swift.count("PUT"))
        self.assertEqual((b"changed", b"n"), (self.objects["d/ä b.yaml"], self.objects["new"]))

    def test_file_that_is_damaged_on_its_way_is_not_stored(self):
        def damage(request, _context):
            request._request.body = b"damaged"

        self.swift.on("PUT", "/plan/", damage)
        error = self.assertRaises(swift_exc.ClientException, self.container.write, {"a": b"1"})
        self.assertEqual(422, error.http_status)
        self.assertNotIn("a", self.objects)

    def test_writing_nothing_asks_nothing(self):
        self.container.write({})
        self.assertEqual([], self.swift.requests)

    def test_empty_file_can_be_written_and_read(self):
        self.container.write({"empty": b""})
        self.assertEqual(b"", self.container.read(self.container.look().objects)["empty"])

    def test_file_is_written_though_swift_fails_for_a_moment(self):
        left = [2]

        def fail(_request, context):
            left[0] -= 1
            if left[0] < 0:
                return None
            context.status_code = 503
            return ""

        self.swift.on("PUT", "/plan/a", fail)
        self.container.write({"a": b"1"})
        self.assertEqual(b"1", self.objects["a"])
        self.assertEqual(3, self.swift.count("PUT"))

    def test_failed_write_is_told(self):
        self.swift.fail("PUT", "/plan/b", 403)
        self.assertRaises(swift_exc.ClientException, self.container.write, {"a": b"1", "b": b"2"})

    @ddt.data("../evil", "a/../../evil", "./a", "/abs", "a//../../../x")
    def test_path_that_is_none_of_the_plan_never_leaves_the_container(self, path):
        outside = {name: dict(objects) for name, objects in self.swift.containers.items()}
        try:
            self.container.write({path: b"x"})
            self.container.read({path: container.Object("x", 1)})
        except exceptions.TripleOError:
            pass
        root = f"{self.cloud.swift.url}/plan/"
        for request in self.swift.sent:
            self.assertTrue(request.url.startswith(root), request.url)
        self.assertEqual(set(outside), set(self.swift.containers))

    def test_no_file_is_read_or_written_after_the_deadline(self):
        late = container.Container(self.cloud.open(seconds=100), "plan")
        self.set_options(transfer_threads=1)

        def slow(_request, _context):
            self.cloud.clock.now += 60

        listing = late.look().objects
        self.swift.on("GET", "/plan/", slow)
        self.assertRaises(exceptions.DeadlineExceeded, late.read, listing)
        self.assertEqual(2, sum(line.startswith("GET /plan/") for line in self.swift.requests))

    def test_last_file_is_read_with_no_more_than_what_is_left(self):
        late = container.Container(self.cloud.open(seconds=100), "plan")
        self.set_options(transfer_threads=1)

        def slow(_request, _context):
            self.cloud.clock.now += 45

        listing = late.look().objects
        self.swift.on("GET", "/plan/", slow)
        late.read(listing)
        timeouts = [r.timeout for r in self.swift.sent if "/plan/" in r.url]
        self.assertEqual([60, 55, 10], timeouts)


@ddt.ddt
class Bulk(WithContainer):
    def setUp(self):
        super().setUp()
        self.swift.containers["plan"] = {}

    def test_many_files_are_stored_with_one_request(self):
        files = {f"d/f{n}": b"%d" % n for n in range(100)}
        self.container.extract(files)
        self.assertEqual(files, self.objects)
        self.assertEqual(["PUT /plan"], self.swift.requests)

    def test_errors_inside_of_a_good_answer_are_an_error(self):
        self.swift.bulk_errors = [["plan/a", "413 Request Entity Too Large"]]
        error = self.assertRaises(exceptions.ServiceRefused, self.container.extract, {"a": b"1"})
        self.assertEqual(400, error.status)
        self.assertIn("plan/a: 413", error.message)

    @ddt.data(
        '{"Response Status": "400 Bad Request", "Response Body": "Invalid Tar File", "Errors": []}',
        '{"Response Status": "201 Created", "Errors": [["a", "507 Insufficient Storage"]]}',
        '{"Response Status": "502 Bad Gateway", "Response Body": "x", "Errors": []}',
        "{}",
        "[]",
        "",
        "not JSON",
    )
    def test_answer_that_is_no_success_is_an_error(self, body):
        self.swift.on("PUT", "extract-archive", lambda _request, _context: body)
        self.assertRaises(exceptions.ServiceRefused, self.container.extract, {"a": b"1"})

    def test_files_are_deleted_with_one_request_whatever_their_names(self):
        names = ["a", "d/b c", "ä%2f", "x?y#z", "e&f=g"]
        self.swift.containers["plan"] = dict.fromkeys([*names, "stays"], b"")
        self.container.delete_files(names)
        self.assertEqual(["stays"], list(self.objects))
        self.assertEqual(1, self.swift.count("POST"))

    def test_deleting_what_is_not_there_is_no_error(self):
        self.container.delete_files(["never"])

    def test_deleting_nothing_asks_nothing(self):
        self.container.delete_files([])
        self.assertEqual([], self.swift.requests)

    def test_more_than_the_middleware_takes_is_deleted_in_parts(self):
        names = [f"f{n}" for n in range(10001)]
        self.swift.containers["plan"] = dict.fromkeys(names, b"")
        self.container.delete_files(names)
        self.assertEqual({}, self.objects)
        sizes = [len(request.body.splitlines()) for request in self.swift.sent]
        self.assertLessEqual(max(sizes), 10000)
        self.assertEqual(10001, sum(sizes))

    def test_file_that_could_not_be_deleted_is_an_error(self):
        self.swift.bulk_errors = [["/plan/a", "403 Forbidden"]]
        error = self.assertRaises(exceptions.ServiceRefused, self.container.delete_files, ["a"])
        self.assertIn("403 Forbidden", error.message)


class Delete(WithContainer):
    def test_container_goes_with_its_files(self):
        self.swift.containers = {"plan": {"a": b"1", "b": b"2"}, "other": {"a": b"1"}}
        self.container.delete()
        self.assertEqual({"other": {"a": b"1"}}, self.swift.containers)

    def test_deleting_can_be_repeated(self):
        self.container.delete()
        self.assertEqual({}, self.swift.containers)

    def test_file_that_comes_meanwhile_goes_as_well(self):
        self.swift.containers["plan"] = {"a": b"1"}
        late = [b"late"]

        def somebody_writes(_request, _context):
            if late:
                self.objects["late"] = late.pop()

        self.swift.on("DELETE", "/plan$", somebody_writes)
        self.container.delete()
        self.assertEqual({}, self.swift.containers)

    def test_container_that_is_filled_again_and_again_is_given_up(self):
        self.swift.containers["plan"] = {}

        def somebody_writes(_request, _context):
            self.objects["late"] = b"x"

        self.swift.on("DELETE", "/plan$", somebody_writes)
        error = self.assertRaises(exceptions.ServiceRefused, self.container.delete)
        self.assertEqual(409, error.status)


class Names(WithContainer):
    def test_all_containers_are_named_however_many_pages_swift_makes_of_them(self):
        self.swift.containers = {f"c{n}": {} for n in range(25)}
        self.swift.page = 10
        self.assertEqual(set(self.swift.containers), container.names(self.cloud.open()))
