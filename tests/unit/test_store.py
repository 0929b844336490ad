import copy
import gzip
import json
import threading
import time

import ddt
import fixtures

from tests.unit import fakes, test_plans
from tests.unit.test_plans import change, nothing, setting
from tripleo_common import clouds, exceptions
from tripleo_common.plan import archive, container, plans, site, store

HASHES = {"a": "1", "b": "2"}


def look(revision=None, **objects):
    return container.Look({p: container.Object(h, 1) for p, h in objects.items()}, revision)


@ddt.ddt
class Compare(test_plans.base.TestCase):
    """Direct writes are told from what is left over of before."""

    @ddt.data(
        # What the container lists, what the revision supersedes, direct writes, left over.
        ({"a": "1", "b": "2"}, None, [], []),
        ({"a": "x", "b": "2"}, None, ["a"], []),
        ({"b": "2"}, None, ["a"], []),
        ({"a": "1", "b": "2", "c": "3"}, None, ["c"], []),
        ({"a": "old", "b": "2"}, {"a": "old"}, [], ["a"]),
        ({"a": "x", "b": "2"}, {"a": "old"}, ["a"], []),
        ({"a": "1", "b": "2"}, {"a": "old"}, [], []),
        ({"b": "2"}, {"a": None}, [], ["a"]),
        ({"b": "2"}, {"a": "old"}, ["a"], []),
        ({"a": "1", "b": "2", "c": "old"}, {"c": "old"}, [], ["c"]),
        ({"a": "1", "b": "2", "c": "x"}, {"c": "old"}, ["c"], []),
        ({"a": "1", "b": "2"}, {"c": "old"}, [], []),
        ({}, {"a": None, "b": None}, [], ["a", "b"]),
        ({}, {}, ["a", "b"], []),
    )
    @ddt.unpack
    def test_each_file_is_one_or_the_other(self, listed, supersedes, direct, stale):
        found = site.compare(look(**listed), HASHES, supersedes)
        self.assertEqual((direct, stale), found)


@ddt.ddt
class Killed(test_plans.WithPlans):
    """An executor that dies at any write leaves the old revision or the new one."""

    def setUp(self):
        super().setUp()
        self.set_options(transfer_threads=1)
        self.objects["logo.png"] = b"\x89PNG\xff"
        self.plans.create("plan", change())
        self.set(A="first", Hidden="canary")
        self.before = self.read()

    def edit_files(self, candidate):
        candidate.files["environments/ha.yaml"] = b"parameter_defaults: {A: changed}\n"
        candidate.files["added.yaml"] = b"{}"
        candidate.files["roles_data.yaml"] = b"- name: Controller\n"
        del candidate.files["role.role.j2.yaml"]
        candidate.files["registry.j2.yaml"] = b"resource_registry: {}\n"

    def back_to_the_first(self):
        files, variables = self.before

        def edit(candidate):
            candidate.files, candidate.variables = dict(files), copy.deepcopy(variables)

        self.plans.change("plan", change(), edit)

    def each_death(self, work):
        """Do it again and again, dying at a later write each time; yield whenever it is dead."""
        start = copy.deepcopy(
            (self.swift.containers, self.swift.metadata, self.mistral.environments)
        )
        number = 0
        while True:
            number += 1
            (
                self.swift.containers,
                self.swift.metadata,
                self.mistral.environments,
            ) = copy.deepcopy(start)
            # That the request is done and the answer lost is the same as dying at the next one.
            self.cloud.executor.kill_at(number, done=False)
            try:
                work()
                died = self.cloud.executor.is_dead
            except fakes.Killed:
                died = True
            self.cloud.executor.revive()
            if not died:
                break
            yield f"write {number}"
        self.assertGreater(number, 4)

    def the_lock_expires(self):
        if "plan.lock" in self.mistral.environments:
            self.mistral.environments["plan.lock"]["expires"] = "2020-01-01T00:00:00+00:00"

    def check(self, work, before):
        work()
        after = self.read()
        self.assertNotEqual(before, after)
        # Undone, so that it can be done again.
        self.restore()
        seen = set()
        for where in self.each_death(work):
            found = self.read()
            self.assertIn(found, (before, after), where)
            seen.add(found == after)
            self.objects["mine.yaml"] = b"parameter_defaults: {A: mine}\n"
            self.the_lock_expires()
            self.set(B="next")
            files, variables = self.read()
            self.assertEqual("next", variables["parameter_defaults"]["B"], where)
            self.assertEqual(b"parameter_defaults: {A: mine}\n", files["mine.yaml"], where)
            old, new = before[0], after[0]
            expected = new if found == after else old
            kept = {p: c for p, c in files.items() if p not in ("mine.yaml", self.OURS)}
            self.assertEqual({p: c for p, c in expected.items() if p != self.OURS}, kept, where)
            self.assert_in_line()
            self.assertEqual({"plan"}, set(self.mistral.environments), where)
        self.assertEqual({False, True}, seen)

    OURS = "plan-environment.yaml"

    def restore(self):
        self.swift.containers, self.swift.metadata, self.mistral.environments = copy.deepcopy(
            self.start
        )

    def checked(self, work):
        self.start = copy.deepcopy(
            (self.swift.containers, self.swift.metadata, self.mistral.environments)
        )
        self.check(work, self.read())

    def test_parameter(self):
        self.checked(lambda: self.set(A="second"))

    def test_changed_added_and_removed_files(self):
        self.checked(lambda: self.plans.change("plan", change(), self.edit_files))

    def test_update_with_other_templates(self):
        files = test_plans.encoded(
            {**test_plans.FILES, "roles_data.yaml": "- name: Compute\n", "new.yaml": "{}"}
        )
        del files["environments/ha.yaml"]
        self.checked(lambda: self.plans.update("plan", change(), files=files))

    def test_going_back(self):
        self.plans.change("plan", change(), self.edit_files)
        self.checked(self.back_to_the_first)

    def test_change_with_direct_writes_among_it(self):
        self.objects["environments/ha.yaml"] = b"parameter_defaults: {A: theirs}\n"
        del self.objects["logo.png"]
        self.checked(lambda: self.set(A="second"))

    def test_change_on_top_of_one_that_was_cut_off(self):
        self.cloud.executor.kill_at(6, done=True)
        work = [self.edit_files]
        self.assertRaises(fakes.Killed, self.plans.change, "plan", change(), *work)
        self.cloud.executor.revive()
        self.the_lock_expires()
        self.assertEqual(3, self.plans.read("plan").revision)
        self.assertNotEqual("3", self.marker)
        self.checked(lambda: self.set(A="second"))

    @ddt.data(True, False)
    def test_creation(self, is_uploaded):
        def work():
            self.plans.create("new", change(), files=None if is_uploaded else files)

        files = test_plans.encoded(test_plans.FILES)
        if is_uploaded:
            self.swift.containers["new"] = dict(files)
            self.swift.metadata["new"] = {container.USAGE_HEADER: "plan"}
        states = set()
        for where in self.each_death(work):
            self.start_executor()
            is_there = "new" in self.plans.names()
            states.add(is_there)
            lock = self.mistral.environments.get("new.lock")
            if lock:
                lock["expires"] = "2020-01-01T00:00:00+00:00"
            if is_there:
                self.assertEqual(test_plans.ALL, set(self.plans.read("new").files.contents), where)
                self.plans.change("new", change(), setting(A="next"))
                self.assertEqual(test_plans.ALL, set(self.swift.containers["new"]), where)
            else:
                if is_uploaded:
                    self.assertEqual(files, self.swift.containers["new"], where)
                elif "new" in self.swift.containers or "new.revisions" in self.swift.containers:
                    self.plans.delete("new", change())
                work()
                self.assertEqual(1, self.plans.read("new").revision, where)
            self.assertNotIn("new.lock", self.mistral.environments, where)
        self.assertEqual({False, True}, states)

    def test_deletion(self):
        for where in self.each_death(lambda: self.plans.delete("plan", change())):
            self.start_executor()
            if "plan" in self.mistral.environments:
                self.assertEqual(self.before, self.read(), where)
            else:
                self.assertRaises(exceptions.PlanNotFound, self.plans.read, "plan")
            self.the_lock_expires()
            left = {*self.swift.containers, *self.mistral.environments} - {"plan.lock"}
            if left:
                self.plans.delete("plan", change())
            self.assertEqual({}, self.swift.containers, where)
            self.assertLessEqual(set(self.mistral.environments), {"plan.lock"}, where)

    def test_sync(self):
        self.useFixture(fixtures.MockPatchObject(store, "AT_ONCE", 0))
        self.plans.delete("plan", change())
        files = test_plans.encoded({**test_plans.FILES, "e/1": "1", "e/2": "2"})
        self.plans.create("plan", change(), files=files, sync=False)
        before = self.read()
        for where in self.each_death(self.sync):
            self.assertEqual(before, self.read(), where)
            self.assertTrue(self.plans.read("plan").is_committed, where)
            self.the_lock_expires()
            self.sync()
            self.assert_in_line()


class Twenty(test_plans.WithPlans):
    """Those who change a plan at the same time lose nothing."""

    def real(self):
        limit = clouds.Deadline(60, sleep=lambda seconds: time.sleep(seconds / 50))
        return plans.Plans(clouds.Clouds(self.cloud.security(), None, limit))

    def run_all(self, works):
        errors = []

        def run(work):
            try:
                work(self.real())
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return errors

    def test_twenty_changes_lose_no_update(self):
        self.made_plan()

        def adds(number):
            def edit(candidate):
                defaults = candidate.variables["parameter_defaults"]
                defaults[f"P{number}"] = len(defaults)

            return lambda opened: opened.change("plan", change(wait=60), edit)

        self.assertEqual([], self.run_all([adds(number) for number in range(20)]))
        self.assertEqual(21, self.variables["revision"])
        found = self.variables["parameter_defaults"]
        self.assertEqual({f"P{number}" for number in range(20)}, set(found))
        self.assertEqual(list(range(20)), sorted(found.values()))
        self.assertEqual(list(range(1, 22))[-20:], self.plans.open("plan").archive.numbers())
        self.assert_in_line()

    def test_of_five_who_create_one_plan_one_does(self):
        works = [lambda opened: opened.create("plan", change(wait=60))] * 5
        errors = self.run_all(works)
        self.assertEqual([exceptions.PlanExists] * 4, [type(error) for error in errors])
        self.assert_in_line()


@ddt.ddt
class Damaged(test_plans.WithPlans):
    """What is stored is not what was stored."""

    def setUp(self):
        super().setUp()
        self.made_plan()
        self.set(A="a")
        self.before = self.read()
        self.start_executor()

    def bundle(self):
        return f"files/{self.variables['files']}.tar.gz"

    def damage(self, how):
        path = self.bundle()
        if how == "gone":
            del self.archived[path]
        elif how == "cut":
            self.archived[path] = self.archived[path][:-20]
        elif how == "flipped":
            content = bytearray(gzip.decompress(self.archived[path]))
            content[520] ^= 1
            self.archived[path] = gzip.compress(bytes(content))
        elif how == "another":
            self.archived[path] = next(
                c for p, c in self.archived.items() if p.startswith("files/") and p != path
            )
        else:
            self.archived[path] = b"no tarball"

    WAYS = ("gone", "cut", "flipped", "another", "garbage")

    @ddt.data(*WAYS)
    def test_container_that_is_in_line_stands_in_and_the_next_commit_heals(self, how):
        self.damage(how)
        self.assertEqual(self.before, self.read())
        self.assertEqual(3, self.commit().revision)
        self.assertEqual(self.before, self.read())
        self.objects.clear()
        self.swift.metadata["plan"][container.REVISION_HEADER] = "3"
        self.start_executor()
        self.assertEqual(self.before[0], self.plans.read("plan").base.contents)

    @ddt.data(*WAYS)
    def test_container_that_is_not_cannot(self, how):
        self.damage(how)
        self.swift.metadata["plan"][container.REVISION_HEADER] = "1"
        before = self.state()
        for function in (self.read, self.commit):
            error = self.assertRaises(exceptions.RevisionCorrupt, function)
            self.assertEqual(("plan", 2), (error.plan, error.revision))
        self.assertEqual(before, self.state())

    def test_two_members_of_one_name_are_not_what_was_stored(self):
        self.assertRaises(
            exceptions.RevisionCorrupt, self.plans.open("plan").archive.files, "0" * 64, 1
        )

    @ddt.data(
        None,
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"revision": 1}',
        b'{"revision": 2}',
        b'{"revision": 2, "files": 5, "environment": {}, "supersedes": {}}',
        b'{"revision": 2, "files": "x", "environment": [], "supersedes": {}}',
        b'{"revision": 2, "files": "x", "environment": {}, "supersedes": null}',
    )
    def test_record_is_needed_only_while_the_container_is_not_in_line(self, content):
        path = "revisions/00000002.json"
        self.archived.pop(path)
        if content is not None:
            self.archived[path] = content
        self.assertEqual(self.before, self.read())
        self.swift.metadata["plan"][container.REVISION_HEADER] = "1"
        error = self.assertRaises(exceptions.RevisionCorrupt, self.read)
        self.assertEqual(2, error.revision)
        if content is not None:
            target = self.plans.open("plan").archive
            self.assertRaises(exceptions.RevisionCorrupt, target.record, 2)
            self.assertEqual([1], list(target.records([1, 2])))

    def test_file_that_goes_between_listing_and_reading_is_looked_for_again(self):
        self.objects["mine.yaml"] = b"{}"
        self.lose("mine.yaml", 1)
        state = self.plans.read("plan")
        self.assertEqual([], state.direct)
        self.assertEqual(self.before[0], state.files.contents)

    def test_file_that_is_listed_and_never_there_is_told(self):
        self.objects["mine.yaml"] = b"{}"
        self.swift.fail("GET", "/plan/mine.yaml", 404)
        error = self.assertRaises(exceptions.FileNotInPlan, self.plans.read, "plan")
        self.assertEqual("mine.yaml", error.path)
        self.assertEqual(3, self.swift.requests.count("GET /plan/mine.yaml"))

    def lose(self, path, times):
        left = [None] * times

        def lost(_request, _context):
            if left:
                left.pop()
                self.objects.pop(path, None)

        self.swift.on("GET", f"/plan/{path}", lost)

    def test_archive_that_is_gone_altogether_is_made_anew(self):
        del self.swift.containers["plan.revisions"]
        self.assertEqual(self.before, self.read())
        self.assertEqual(3, self.commit().revision)
        self.assertEqual(self.before, self.read())

    @ddt.data("2", "3")
    def test_whoever_reads_at_the_moment_of_a_commit_sees_one_or_the_other(self, marker):
        """It has read the environment before the commit and lists the container after it."""
        stale = [json.dumps(self.mistral._show("plan"))]
        self.set(A="meanwhile", B="b")
        self.swift.metadata["plan"][container.REVISION_HEADER] = marker
        after = self.read()
        self.mistral.on("GET", "/environments/plan$", lambda _r, _c: stale.pop() if stale else None)
        state = self.plans.read("plan")
        self.assertEqual(([], 3), (state.direct, state.revision))
        self.assertEqual(after, (dict(state.files.contents), dict(state.variables)))


class Pruning(test_plans.WithPlans):
    def setUp(self):
        super().setUp()
        self.set_options(revisions_kept=3)
        self.made_plan()

    def bundles(self):
        return {path for path in self.archived if path.startswith("files/")}

    def numbers(self):
        return self.plans.open("plan").archive.numbers()

    def test_last_ones_are_kept(self):
        for number in range(6):
            self.set(A=f"{number}")
        self.assertEqual([5, 6, 7], self.numbers())
        self.assertEqual(3, len(self.bundles()))

    def test_deployed_ones_are_kept_besides(self):
        self.set(A="deployed")
        target = self.plans.open("plan").archive
        target.mark_deployed(2, {})
        for number in range(5):
            self.set(A=f"{number}")
        self.assertEqual([2, 5, 6, 7], self.numbers())
        record = target.record(2)
        self.start_executor()
        files = target.files(record["files"], 2)
        self.assertIn(b"deployed", files.contents["plan-environment.yaml"])

    def test_files_that_several_revisions_share_are_kept_as_long_as_one_is(self):
        # Hidden values are in no file.
        for number in range(6):
            self.set(Hidden=f"canary {number}")
        self.assertEqual([5, 6, 7], self.numbers())
        self.assertEqual({f"files/{self.variables['files']}.tar.gz"}, self.bundles())
        self.assertEqual(test_plans.ALL, set(self.read()[0]))

    def test_nothing_is_dropped_that_an_unreadable_revision_may_need(self):
        self.set(A="1")
        self.set(A="2")
        before = self.bundles()
        self.archived["revisions/00000003.json"] = b"{"
        self.set(A="3")
        self.assertLessEqual(before, self.bundles())

    def test_failure_to_tidy_up_is_no_failure_of_the_change(self):
        for number in range(3):
            self.set(A=f"{number}")
        self.swift.fail("POST", "bulk-delete", 500)
        self.assertEqual(5, self.set(A="last").revision)
        self.assertIn("old revisions could not be removed", self.log.output)

    def test_record_of_a_change_that_was_cut_off_does_not_count(self):
        record = json.loads(self.archived["revisions/00000001.json"])
        self.archived["revisions/00000009.json"] = json.dumps({**record, "revision": 9}).encode()
        for number in range(3):
            self.set(A=f"{number}")
        self.assertEqual([2, 3, 4], [n for n in self.numbers() if n != 9])


class Leftovers(test_plans.WithPlans):
    def test_half_made_plan_is_known(self):
        target = self.plans.open("new")
        self.assertFalse(target.is_left())
        target.archive.create()
        self.assertTrue(target.is_left())
        self.assertFalse(target.exists())

    def test_container_of_that_name_that_is_somebodys_is_none(self):
        self.swift.containers["new"] = {}
        self.swift.containers["new.revisions"] = {}
        self.assertFalse(self.plans.open("new").is_left())

    def test_commit_of_what_is_there_brings_the_container_into_line(self):
        self.swift.containers.clear()
        self.plans.create("plan", change(), files=test_plans.encoded(test_plans.FILES), sync=False)
        committed = self.plans.change("plan", change(), nothing)
        self.assertEqual(
            (1, False, True), (committed.revision, committed.changed, committed.synced)
        )
        self.assert_in_line()

    def test_files_that_are_the_same_have_the_same_id(self):
        one = archive.Files.of({"a": b"1", "b": b"2"})
        two = archive.Files.of({"b": b"2", "a": b"1"})
        self.assertEqual(one.id, two.id)
