import gzip

import ddt

from tests.unit import test_plans
from tripleo_common import exceptions
from tripleo_common.plan import archive


@ddt.ddt
class Archive(test_plans.WithPlans):
    def setUp(self):
        super().setUp()
        self.archive = archive.Archive(self.cloud.open(), "plan")
        self.archive.create()
        self.files = archive.Files.of({"a.yaml": b"1", "d/ä.png": b"\x89\xff"})

    def test_it_is_marked_and_is_no_plan(self):
        self.assertTrue(self.archive.exists())
        self.made_plan()
        self.assertEqual(["plan"], self.plans.names())
        self.archive.delete()
        self.assertFalse(self.archive.exists())

    def test_files_come_back_as_they_were(self):
        self.archive.write_files(self.files)
        self.start_executor()
        self.assertEqual(self.files, self.archive.files(self.files.id, 1))

    def test_files_that_this_process_wrote_or_read_are_not_read_again(self):
        self.archive.write_files(self.files)
        self.forget()
        self.archive.files(self.files.id, 1)
        self.assertEqual([], self.swift.requests)
        self.start_executor()
        for _ in range(3):
            self.archive.files(self.files.id, 1)
        self.assertEqual(1, len(self.swift.requests))

    def test_process_remembers_few_and_mixes_up_none(self):
        many = [archive.Files.of({"a": b"%d" % number}) for number in range(9)]
        for files in many:
            self.archive.write_files(files)
        for files in many:
            self.assertEqual(files, self.archive.files(files.id, 1))
        self.forget()
        for files in many:
            self.archive.files(files.id, 1)
        self.assertGreater(len(self.swift.requests), 4)
        other = archive.Archive(self.cloud.open(), "other")
        self.assertRaises(exceptions.RevisionCorrupt, other.files, many[-1].id, 1)

    def test_hashes_are_those_that_swift_lists(self):
        listed = self.plans.open("plan").container.look().objects
        files = archive.Files.of(self.objects)
        self.assertEqual({path: item.hash for path, item in listed.items()}, files.hashes)

    @ddt.data({"a": b"1", "b": b"2"}, {"a": b"2"}, {"b": b"1"}, {})
    def test_other_files_have_another_id(self, contents):
        self.assertNotEqual(archive.Files.of({"a": b"1"}).id, archive.Files.of(contents).id)

    def test_content_that_is_known_is_not_hashed_by_its_path(self):
        known = archive.Files.of({"a": b"1"})
        self.assertEqual(archive.Files.of({"a": b"2"}).id, archive.Files.of({"a": b"2"}, known).id)
        self.assertEqual(known.id, archive.Files.of(dict(known.contents), known).id)

    def test_records_that_are_there_are_returned(self):
        record = {"revision": 1, "files": "x", "environment": {}, "supersedes": {}}
        self.archive.write_record(1, record)
        self.archive.write_record(12, {**record, "revision": 12})
        self.archived["revisions/junk"] = b"x"
        self.archived["revisions/00000013.json"] = b"x"
        self.assertEqual(record, self.archive.record(1))
        self.assertIsNone(self.archive.record(2))
        self.assertEqual([1, 12, 13], self.archive.numbers())
        self.assertEqual({1, 12}, set(self.archive.records([1, 2, 12, 13])))

    def test_archive_that_is_not_there_is_empty(self):
        none = archive.Archive(self.cloud.open(), "none")
        self.assertEqual(([], []), (none.numbers(), none.deployed()))
        self.assertIsNone(none.record(1))
        self.assertIsNone(none.answer("parameters", "key"))

    def test_answer_is_kept_and_few_older_ones(self):
        for number in range(12):
            self.archive.keep_answer("parameters", f"key{number}", {"n": number})
            self.assertEqual({"n": number}, self.archive.answer("parameters", f"key{number}"))
        self.archive.keep_answer("other", "key", [])
        self.assertLessEqual(sum(path.startswith("answers/") for path in self.archived), 6)

    @ddt.data(b"", b"no gzip", gzip.compress(b"{"), gzip.compress(b"{}")[:-4])
    def test_answer_that_is_damaged_is_none(self, content):
        self.archived["answers/parameters-key"] = content
        self.assertIsNone(self.archive.answer("parameters", "key"))

    def test_published_result_goes_after_a_day(self):
        told = self.archive.publish("show", b"{}")
        self.assertEqual(b"{}", self.swift.containers[told["container"]][told["object"]])
        headers = self.swift._headers(self.swift.sent[-1])
        self.assertEqual("86400", headers["x-delete-after"])

    def test_deployed_revisions_are_remembered(self):
        for number in (3, 1, 3):
            self.archive.mark_deployed(number, {"user": "eve"})
        self.assertEqual([1, 3], self.archive.deployed())
