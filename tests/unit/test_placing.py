import itertools
import json

import ddt
import fixtures
import requests
from heatclient import exc as heat_exc
from keystoneauth1 import exceptions as ksa_exc

from tests.unit import fakes, test_placements, test_plans
from tests.unit.test_plans import change, encoded, nothing, setting
from tripleo_common import exceptions
from tripleo_common.deployment import deploy, stacks
from tripleo_common.plan import container, history, placements, placing, store
from tripleo_common.plan.placements import Placement

UNREACHABLE = (requests.exceptions.ConnectionError, ksa_exc.ConnectionError, heat_exc.HTTPException)


class WithPlacements(test_placements.WithPlacements):
    def commit(self, region="regionOne"):
        return self.at(region).change("plan", change(), nothing)

    def delete(self, region=None, **more):
        self.at(region).delete("plan", change(), **more)

    def files(self, region):
        return self.seen(region)[0]

    def values(self, region):
        return self.seen(region)[1]["parameter_defaults"]


@ddt.ddt
class Add(WithPlacements):
    def setUp(self):
        super().setUp()
        self.make()
        self.set(A="a")

    def test_whole_plan_with_its_whole_history_is_there(self):
        committed = self.add()
        self.assertEqual(
            {"revision": 3, "changed": True, "stale": []},
            committed.to_dict(),
        )
        self.assertTrue(committed.synced)
        self.assert_whole(self.one, self.two, revision=3)
        self.assertEqual(test_plans.ALL, set(self.objects(self.two)))
        self.assertEqual([3, 2, 1], self.revisions("regionTwo"))
        self.assertEqual(self.seen("regionOne"), self.seen("regionTwo"))
        # The history of before works from there.
        history.rollback(self.at("regionTwo"), "plan", 1, change())
        self.assertEqual({}, self.values("regionOne"))
        self.assert_whole(self.one, self.two, revision=4)

    def test_placement_is_named(self):
        committed, place = placing.add(
            self.at("regionTwo"), "plan", None, "regionTwo", change(), sync=True
        )
        self.assertEqual((3, Placement(None, "regionTwo")), (committed.revision, place))

    def test_is_known_to_the_history(self):
        self.add(by=change(action="tripleo.plan.add_placement", reason="edge"))
        (last, *_) = history.history(self.at("regionTwo"), "plan")
        self.assertEqual(("tripleo.plan.add_placement", "edge"), (last["action"], last["reason"]))

    def test_plan_that_was_written_to_directly_is_placed_as_it_is(self):
        self.objects(self.one)["mine.yaml"] = b"{}"
        self.add()
        self.assertEqual(b"{}", self.objects(self.two)["mine.yaml"])
        self.assert_whole(self.one, self.two)

    @ddt.data({}, {"request": "r1"})
    def test_again_changes_nothing(self, more):
        self.add(by=change(**more))
        before = self.state()
        committed = self.add(by=change(**more))
        self.assertEqual((3, False), (committed.revision, committed.changed))
        self.assertEqual(before, self.state())

    def test_home_itself_is_there_already(self):
        self.assertFalse(self.add("regionOne").changed)

    def test_without_a_region_where_there_are_several(self):
        self.assertRaises(exceptions.RegionNotChosen, self.add, None)

    @ddt.data("", "nowhere")
    def test_region_that_is_none(self, region):
        before = self.state()
        error = self.assertRaises(exceptions.RegionNotFound, self.add, region)
        self.assertEqual(["regionOne", "regionTwo"], error.available)
        self.assertEqual(before, self.state())

    def test_region_of_the_request_is_where_the_plan_is_not_where_it_goes(self):
        placing.add(
            self.at("regionTwo", region_name="regionOne"),
            "plan", None, "regionTwo", change(), sync=True,
        )  # fmt: skip
        self.assert_whole(self.one, self.two)

    @ddt.data(
        {},
        {"something.yaml": b"somebody's"},
        # One that only was made for a plan: somebody may be about to fill it.
        None,
    )
    def test_container_of_somebody_is_left_alone(self, content):
        there = self.two["swift"]
        there.containers["plan"] = dict(content or {})
        if content is None:
            there.metadata["plan"] = {container.USAGE_HEADER: "plan"}
        before = self.state()
        error = self.assertRaises(exceptions.PlacementTaken, self.add)
        self.assertEqual(("regionTwo", "a container"), (error.placement, error.what))
        self.assertEqual(before, self.state())

    @ddt.data("CREATE_COMPLETE", "CREATE_FAILED", "DELETE_IN_PROGRESS")
    def test_stack_of_somebody_is_left_alone(self, status):
        self.two["heat"].add("plan", status)
        before = self.state()
        error = self.assertRaises(exceptions.PlacementTaken, self.add)
        self.assertEqual(("regionTwo", "a stack"), (error.placement, error.what))
        self.assertEqual(before, self.state())

    def test_stack_that_was_deleted_is_none(self):
        self.two["heat"].add("plan", "DELETE_COMPLETE")
        self.add()

    def test_archive_of_an_earlier_plan_is_not_this_ones_history(self):
        there = self.two["swift"]
        there.containers["plan.revisions"] = {
            "revisions/00000001.json": b"{}",
            "revisions/00000009.json": b"{}",
            "deployed/00000002.json": b"{}",
            "files/x.tar.gz": b"",
        }
        self.add()
        self.assert_whole(self.one, self.two)
        self.assertEqual([], self.at("regionTwo").open("plan").archive.deployed())

    @ddt.data("swift", "heat")
    def test_region_that_does_not_answer_is_not_added(self, service):
        self.down(self.two[service])
        before = self.state()
        self.assertRaises(UNREACHABLE, self.add)
        self.assertEqual(before, self.state())

    def test_region_that_fails_in_between_is_added_stale_and_named(self):
        self.two["swift"].fail("PUT", r"/plan\.revisions/files/", 503)
        committed = self.add()
        self.assertEqual(["regionTwo"], list(committed.stale))
        self.assertEqual({"regionTwo": 0}, self.variables["stale"])
        error = self.assertRaises(exceptions.PlacementStale, self.read, "regionTwo")
        self.assertEqual((0, 3), (error.revision, error.current))
        self.two["swift"]._hooks.clear()
        self.assertEqual({"regionTwo": "synced"}, self.sync("regionTwo"))
        self.assert_whole(self.one, self.two, revision=3)
        self.assertEqual([3, 2, 1], self.revisions("regionTwo"))

    def test_large_plan_is_put_there_step_by_step(self):
        for name in ("AT_ONCE", "SLICE"):
            self.useFixture(fixtures.MockPatchObject(store, name, 1))
        committed = self.add(sync=False)
        self.assertFalse(committed.synced)
        self.assertLess(set(self.objects(self.two)), test_plans.ALL)
        # Who reads finds it whole.
        self.assertEqual(test_plans.ALL, set(self.files("regionTwo")))
        self.sync()
        self.assert_whole(self.one, self.two)

    def test_plan_that_a_client_made_can_be_placed(self):
        self.delete()
        self.one["swift"].containers["plan"] = encoded(test_plans.FILES)
        self.mistral.environments["plan"] = {
            "template": "overcloud.yaml",
            "environments": [{"path": "registry.yaml"}],
        }
        placing.add(
            self.at("regionTwo", region_name="regionOne"),
            "plan", None, "regionTwo", change(), sync=True,
        )  # fmt: skip
        self.assertEqual(
            ["regionOne", "regionTwo"],
            [place["region"] for place in self.variables["placements"]],
        )
        self.assert_whole(self.one, self.two, revision=1)


@ddt.ddt
class Remove(WithPlacements):
    def setUp(self):
        super().setUp()
        self.place()

    def test_its_containers_go_and_the_plan_stays(self):
        committed = self.remove()
        self.assertEqual((4, True, {}), (committed.revision, committed.changed, committed.stale))
        self.assertEqual({}, self.two["swift"].containers)
        self.assert_whole(self.one, revision=4)
        self.assertEqual([4, 3, 2, 1], self.revisions(None))
        self.assertRaises(exceptions.PlacementNotFound, self.read, "regionTwo")

    def test_home_goes_and_the_next_one_is_it(self):
        before = self.seen("regionOne")
        self.remove("regionOne")
        self.assertEqual(["regionTwo"], [p["region"] for p in self.variables["placements"]])
        self.assertEqual({}, self.one["swift"].containers)
        self.assert_whole(self.two, revision=4)
        files, variables = self.seen(None)
        self.assertEqual(before[0], files)
        self.assertEqual(before[1]["parameter_defaults"], variables["parameter_defaults"])

    def test_only_one_stays(self):
        self.remove()
        before = self.state()
        for region in ("regionOne", None):
            error = self.assertRaises(exceptions.PlacementInUse, self.remove, region)
            self.assertIn("tripleo.plan.delete", error.message)
        self.assertEqual(before, self.state())

    def test_of_two_who_remove_one_each_the_second_finds_it_the_only_one(self):
        plans = self.at("regionOne")
        look = plans.variables
        waiting = [True]

        def variables(plan):
            found = look(plan)
            # It has looked, and waits for the lock that the other one holds.
            if waiting:
                waiting.clear()
                self.remove("regionTwo")
            return found

        plans.variables = variables
        self.assertRaises(
            exceptions.PlacementInUse, placing.remove, plans, "plan", None, "regionOne", change()
        )
        self.assertEqual([], waiting)
        self.assert_whole(self.one, revision=4)

    def test_delivered_twice_it_is_done_once(self):
        first = self.remove(by=change(request="r1"))
        again = self.remove(by=change(request="r1"))
        self.assertEqual((4, True), (first.revision, first.changed))
        self.assertEqual((4, True), (again.revision, again.changed))
        self.assert_whole(self.one, revision=4)

    def test_which_one_must_be_said(self):
        self.assertRaises(exceptions.PlacementNotChosen, self.remove, None)

    @ddt.data("", "nowhere")
    def test_what_is_none(self, region):
        self.assertRaises(exceptions.PlacementNotFound, self.remove, region)

    def test_plan_that_is_not_there(self):
        self.assertRaises(
            exceptions.PlanNotFound,
            placing.remove, self.at(), "other", None, "regionOne", change(),
        )  # fmt: skip

    @ddt.data("regionOne", "regionTwo")
    def test_stack_keeps_it(self, region):
        self.cloud.by_region[region]["heat"].add("plan", "CREATE_FAILED")
        before = self.state()
        error = self.assertRaises(exceptions.PlacementInUse, self.remove, region)
        self.assertIn("uuid-plan", error.message)
        self.assertEqual(before, self.state())
        # A stack elsewhere does not.
        self.remove({"regionOne": "regionTwo", "regionTwo": "regionOne"}[region])

    @ddt.data({"mine.yaml": b"{}"}, {"environments/ha.yaml": b"parameter_defaults: {}\n"})
    def test_direct_writes_keep_it(self, written):
        self.objects(self.two).update(written)
        before = self.state()
        error = self.assertRaises(exceptions.PlacementInUse, self.remove)
        self.assertIn(next(iter(written)), error.message)
        self.assertEqual(before, self.state())
        self.commit("regionTwo")
        self.remove()
        self.assertEqual(next(iter(written.values())), self.files(None)[next(iter(written))])

    @ddt.data("swift", "heat")
    def test_one_that_does_not_answer_stays(self, service):
        up = self.down(self.two[service])
        self.assertRaises(UNREACHABLE, self.remove)
        up()
        self.assertNotIn("stale", self.variables)
        self.assertEqual(2, len(self.variables["placements"]))
        self.assert_whole(self.one, self.two, revision=3)
        self.remove()

    def test_stale_one_goes(self):
        up = self.down(self.two["swift"])
        self.set(A="second")
        up()
        self.remove()
        self.assertEqual({}, self.two["swift"].containers)
        self.assert_whole(self.one)

    @ddt.data(*itertools.product((("swift",), ("heat",), ("swift", "heat")), (True, False)))
    @ddt.unpack
    def test_one_that_is_gone_for_good_is_taken_out_by_force(self, services, is_stale):
        if is_stale:
            up = self.down(self.two["swift"])
            self.set(A="second")
            up()
        before = self.state()[2]
        ups = [self.down(self.two[name]) for name in services]
        self.assertRaises(UNREACHABLE, self.remove)
        committed = self.remove(force=True)
        self.assertEqual((True, {}), (committed.changed, committed.stale))
        for up in ups:
            up()
        self.assertEqual(before, self.state()[2])
        self.assert_whole(self.one)
        self.assertRaises(exceptions.PlacementTaken, self.add)

    def test_force_takes_nothing_that_answers_and_is_in_use(self):
        self.objects(self.two)["mine.yaml"] = b"{}"
        self.assertRaises(exceptions.PlacementInUse, self.remove, force=True)
        self.commit("regionTwo")
        self.two["heat"].add("plan", "CREATE_COMPLETE")
        self.down(self.two["swift"])
        before = self.state()
        self.assertRaises(exceptions.PlacementInUse, self.remove, force=True)
        self.assertEqual(before, self.state())

    def test_last_one_that_is_not_stale_stays(self):
        self.down(self.two["swift"])
        self.set(A="second")
        error = self.assertRaises(exceptions.PlacementInUse, self.remove, "regionOne")
        self.assertIn("tripleo.plan.sync", error.message)

    def test_one_of_the_same_name_as_another_goes_alone(self):
        # A name can be read in two ways, if somebody names a region so.
        odd = {"cloud": None, "region": "x/regionTwo", "parameter_defaults": {}}
        self.assertEqual("x/regionTwo", placements.name_of("x", "regionTwo"))
        self.variables["placements"].append({**odd, "cloud": "x", "region": "regionTwo"})
        self.variables["placements"].append(odd)
        self.variables["stale"] = {"x/regionTwo": 0}
        self.remove("regionTwo")
        self.assertEqual(3, len(self.variables["placements"]))


@ddt.ddt
class Stale(WithPlacements):
    """A placement that does not answer."""

    def setUp(self):
        super().setUp()
        self.place()

    @ddt.data(
        ("HEAD", r"/plan", 503),
        ("GET", r"/plan", 500),
        ("PUT", r"/plan\.revisions/revisions/", 507),
        ("PUT", r"/plan\.revisions$", 403),
        None,
    )
    def test_it_is_named_and_the_commit_goes_on_elsewhere(self, fault):
        if fault:
            self.two["swift"].fail(*fault)
            if fault[0] == "HEAD":
                self.down(self.two["swift"])
        else:
            self.down(self.two["swift"])
        committed = self.set(A="second")
        self.assertEqual((4, True, True), (committed.revision, committed.changed, committed.synced))
        (told,) = committed.to_dict()["stale"]
        self.assertEqual("regionTwo", told["placement"])
        self.assertTrue(told["message"])
        self.assertEqual({"regionTwo": 3}, self.variables["stale"])
        self.assertEqual("second", self.values("regionOne")["A"])

    def second(self, **more):
        up = self.down(self.two["swift"])
        self.set(**{"A": "second", **more})
        up()

    def test_it_is_neither_read_nor_changed_nor_deployed(self):
        self.second()
        before = self.state()
        for work in (
            self.read,
            self.set,
            self.revisions,
            lambda region: deploy.deploy(self.at(region), "plan", 90, change()),
            lambda region: self.at(region).process("plan", change()),
            lambda region: history.rollback(self.at(region), "plan", 1, change()),
        ):
            error = self.assertRaises(exceptions.PlacementStale, work, "regionTwo")
            self.assertEqual(("regionTwo", 3, 4), (error.placement, error.revision, error.current))
            self.assertIn("tripleo.plan.sync", error.message)
        self.assertEqual(before, self.state())
        self.assertEqual({}, self.two["heat"].stacks)
        # Home works.
        self.assertEqual(4, deploy.deploy(self.at("regionOne"), "plan", 90, change())["revision"])

    def test_show_tells_it(self):
        self.second()
        told = self.show()
        self.assertEqual(
            (4, False, 3, True),
            tuple(told[n][k] for n in ("regionOne", "regionTwo") for k in ("revision", "stale")),
        )
        self.down(self.two["swift"])
        told = self.show()
        self.assertIn("cannot be reached", told["regionTwo"]["problem"])
        self.assertEqual(4, told["regionOne"]["revision"])

    def test_sync_brings_it_up_with_the_missing_revisions(self):
        up = self.down(self.two["swift"])
        self.set(A="second")
        self.at("regionOne").change("plan", change(), self.edit)
        self.set(A="third")
        up()
        self.assertEqual({"regionTwo": 3}, self.variables["stale"])
        self.assertEqual({"regionTwo": "synced"}, self.sync("regionTwo"))
        self.assert_whole(self.one, self.two, revision=6)
        self.assertEqual([6, 5, 4, 3, 2, 1], self.revisions("regionTwo"))
        self.assertEqual(
            history.diff(self.at("regionOne"), "plan", 4, 5),
            history.diff(self.at("regionTwo"), "plan", 4, 5),
        )
        # Back to a revision that was made meanwhile.
        history.rollback(self.at("regionTwo"), "plan", 4, change())
        self.assertEqual("second", self.values("regionTwo")["A"])
        self.assertNotIn("added.yaml", self.files("regionTwo"))
        self.assert_whole(self.one, self.two, revision=7)
        deploy.deploy(self.at("regionTwo"), "plan", 90, change())

    def edit(self, candidate):
        candidate.files["added.yaml"] = b"{}"
        candidate.files["environments/ha.yaml"] = b"parameter_defaults: {A: changed}\n"
        del candidate.files["role.role.j2.yaml"]
        candidate.files["registry.j2.yaml"] = b"resource_registry: {}\n"

    def test_next_commit_that_reaches_it_brings_it_up(self):
        self.second()
        self.at("regionOne").change("plan", change(), self.edit)
        self.assert_whole(self.one, self.two, revision=5)
        self.assertEqual([5, 4, 3, 2, 1], self.revisions("regionTwo"))
        self.assertEqual(self.seen("regionOne"), self.seen("regionTwo"))

    def test_commit_that_changes_nothing_still_names_it(self):
        self.second()
        committed = self.commit()
        self.assertFalse(committed.changed)
        self.assertEqual(["regionTwo"], [t["placement"] for t in committed.to_dict()["stale"]])

    def test_redelivered_commit_still_names_it(self):
        up = self.down(self.two["swift"])
        first = self.set(A="second", by=change(request="r1"))
        again = self.set(A="second", by=change(request="r1"))
        up()
        self.assertEqual((4, True), (again.revision, again.changed))
        self.assertEqual(set(first.stale), set(again.stale))

    def test_home_may_be_the_one_that_does_not_answer(self):
        up = self.down(self.one["swift"])
        committed = self.set("regionTwo", A="second")
        self.assertEqual(["regionOne"], list(committed.stale))
        self.assertEqual("second", self.values("regionTwo")["A"])
        # What is about the plan as a whole goes to where it is whole.
        self.assertEqual(4, history.show(self.at(), "plan")["revision"])
        self.assertEqual([4, 3, 2, 1], self.revisions(None))
        up()
        self.assertRaises(exceptions.PlacementStale, self.read, "regionOne")
        self.assertEqual({"regionOne": "synced", "regionTwo": "synced"}, self.sync())
        self.assert_whole(self.one, self.two, revision=4)

    def test_one_is_always_whole(self):
        self.down(self.one["swift"])
        self.set("regionTwo", A="second")
        self.down(self.two["swift"])
        before = self.state()
        self.assertRaises(exceptions.PlacementStale, self.set, "regionOne", A="third")
        self.assertRaises(UNREACHABLE, self.set, "regionTwo", A="third")
        self.assertEqual(before, self.state())

    def test_sync_of_all_names_the_one_that_does_not_answer(self):
        self.down(self.two["swift"])
        self.set(A="second")
        told = placing.sync(self.at(), "plan", change())
        self.assertEqual(
            [("regionOne", "synced"), ("regionTwo", "stale")],
            [(each["placement"], each["state"]) for each in told],
        )
        self.assertIn("cannot be reached", told[1]["message"])
        self.assertRaises(requests.exceptions.ConnectionError, self.sync, "regionTwo")

    def test_sync_of_what_is_in_line_writes_nothing(self):
        before = self.state()
        for services in (self.one, self.two):
            services["swift"].requests.clear()
        self.assertEqual({"regionOne": "synced", "regionTwo": "synced"}, self.sync())
        self.assertEqual(before, self.state())
        for services in (self.one, self.two):
            self.assertEqual([], [r for r in services["swift"].requests if r[0] in "PD"])

    def test_record_of_a_commit_that_was_cut_off_there_is_not_taken_for_history(self):
        # It has come to region two, and died before the plan's environment was written.
        self.mistral.on("PUT", r"/environments$", self.dies_at_the_environment)
        self.assertRaises(fakes.Killed, self.set, A="cut off")
        self.mistral._hooks.clear()
        self.assertIn("revisions/00000004.json", self.two["swift"].containers["plan.revisions"])
        self.the_lock_expires()
        self.second(A="real")
        self.set(A="next")
        self.assert_whole(self.one, self.two, revision=5)
        for services in (self.one, self.two):
            record = json.loads(
                services["swift"].containers["plan.revisions"]["revisions/00000004.json"]
            )
            self.assertEqual("real", record["environment"]["parameter_defaults"]["A"])

    def dies_at_the_environment(self, request, _context):
        if json.loads(request.body)["name"] == "plan":
            raise fakes.Killed

    def test_more_revisions_than_are_kept_may_have_been_made_meanwhile(self):
        self.set_options(revisions_kept=2)
        up = self.down(self.two["swift"])
        for number in range(4):
            self.set(A=f"{number}")
        self.at("regionOne").change("plan", change(), self.edit)
        up()
        self.sync()
        self.assertEqual(8, self.variables["revision"])
        self.assertEqual(self.seen("regionOne"), self.seen("regionTwo"))
        self.set(B="b")
        self.assertEqual([9, 8], self.revisions("regionTwo"))
        self.assert_whole(self.one, self.two)

    def test_damaged_environment_is_told(self):
        self.second()
        self.variables["revision"] = "x"
        self.assertRaises(exceptions.RevisionCorrupt, self.sync, "regionTwo")

    def test_placement_that_is_slow_is_not_waited_for_by_all(self):
        def hang(request, _context):
            self.cloud.clock.now += request.timeout
            raise requests.exceptions.ReadTimeout(request=request)

        for method in ("GET", "HEAD", "PUT", "POST"):
            self.two["swift"].on(method, "", hang)
        began = self.cloud.clock.now
        committed = self.set(A="second")
        self.assertEqual(["regionTwo"], list(committed.stale))
        # Not the time of the whole action.
        self.assertLess(self.cloud.clock.now - began, 100)


@ddt.ddt
class Direct(WithPlacements):
    """What somebody writes to the container of one placement."""

    def setUp(self):
        super().setUp()
        self.place()
        self.start = self.state()

    def test_counts_there_and_not_in_the_other(self):
        self.objects(self.two)["mine.yaml"] = b"{}"
        self.assertEqual(["mine.yaml"], self.read("regionTwo").direct)
        self.assertEqual([], self.read("regionOne").direct)
        told = self.show("regionOne")
        self.assertEqual(
            ([], ["mine.yaml"]),
            tuple(told[name]["uncommitted"]["files"] for name in ("regionOne", "regionTwo")),
        )

    def test_becomes_the_plans_by_a_commit_there(self):
        self.objects(self.two)["mine.yaml"] = b"{}"
        del self.objects(self.two)["environments/ha.yaml"]
        self.assertEqual(4, self.commit("regionTwo").revision)
        self.assert_whole(self.one, self.two)
        self.assertEqual(b"{}", self.files("regionOne")["mine.yaml"])
        self.assertNotIn("environments/ha.yaml", self.files("regionOne"))

    @ddt.data("mine.yaml", "environments/ha.yaml", "roles_data.yaml")
    def test_stays_when_the_other_commits(self, path):
        mine = b"- name: Mine\n" if path == "roles_data.yaml" else b"parameter_defaults: {A: m}\n"
        self.objects(self.two)[path] = mine
        for number in range(3):
            self.at("regionOne").change("plan", change(), self.editing(path, number))
            self.assertEqual([path], self.read("regionTwo").direct)
            self.assertEqual(mine, self.files("regionTwo")[path])
            self.assertEqual(mine, self.objects(self.two)[path])
            self.assertNotEqual(mine, self.files("regionOne").get(path))
        self.sync()
        self.assertEqual(mine, self.objects(self.two)[path])
        self.commit("regionTwo")
        self.assert_whole(self.one, self.two)
        self.assertEqual(mine, self.files("regionOne")[path])

    @staticmethod
    def editing(path, number):
        def edit(candidate):
            setting(B=f"{number}")(candidate)
            candidate.files["other.yaml"] = f"{number}".encode()
            if path == "environments/ha.yaml":
                candidate.files[path] = f"parameter_defaults: {{A: '{number}'}}\n".encode()

        return edit

    @ddt.data(*itertools.product(("mine.yaml", "environments/ha.yaml", None), (True, False)))
    @ddt.unpack
    def test_is_not_lost_by_being_stale(self, path, is_synced):
        """Written before, while, or after the placement did not answer."""
        gone = path is None
        path = path or "environments/ha.yaml"
        for when in range(3):
            self.restore(self.start)
            up = None
            for moment in range(3):
                if moment == 1:
                    up = self.down(self.two["swift"])
                    self.at("regionOne").change("plan", change(), self.editing(path, moment))
                    up()
                if when == moment:
                    if gone:
                        del self.objects(self.two)[path]
                    else:
                        self.objects(self.two)[path] = b"{}"
            if is_synced:
                self.sync("regionTwo")
            else:
                self.at("regionOne").change("plan", change(), self.editing(path, 2))
            self.assertNotIn("stale", self.variables)
            self.assertEqual([path], self.read("regionTwo").direct, when)
            self.assertEqual(None if gone else b"{}", self.files("regionTwo").get(path), when)
            self.commit("regionTwo")
            self.assert_whole(self.one, self.two)
            self.assertEqual(None if gone else b"{}", self.files("regionOne").get(path), when)

    def test_both_may_be_written_to(self):
        self.objects(self.one)["one.yaml"] = b"{}"
        self.objects(self.two)["two.yaml"] = b"{}"
        self.commit("regionOne")
        self.assertEqual(["two.yaml"], self.read("regionTwo").direct)
        self.commit("regionTwo")
        self.assert_whole(self.one, self.two)
        self.assertLessEqual({"one.yaml", "two.yaml"}, set(self.files("regionOne")))


@ddt.ddt
class Killed(WithPlacements):
    """An executor that dies at any write leaves a plan that is whole, and can go on."""

    def setUp(self):
        super().setUp()
        # Both Swifts in turn, for each to come first.
        self.useFixture(
            fixtures.MockPatchObject(store.futures, "ThreadPoolExecutor", _OneAfterTheOther)
        )
        self.make()
        self.set(A="first")

    def each_death(self, work):
        start = self.state()
        for number in itertools.count(1):
            self.restore(start)
            self.start_executor()
            # That the request is done and the answer lost is the same as dying at the next one.
            self.cloud.executor.kill_at(number, done=False)
            try:
                work()
                died = self.cloud.executor.is_dead
            except fakes.Killed:
                died = True
            self.cloud.executor.revive()
            self.start_executor()
            if not died:
                break
            yield f"write {number}"
            self.assertNotIn("plan.lock", self.mistral.environments)
        self.assertGreater(number, 6)

    def regions(self):
        """Return the placements that should be whole."""
        stale = self.variables.get("stale", {})
        return [p["region"] for p in self.variables["placements"] if p["region"] not in stale]

    def check_whole(self, work, where):
        """Make sure that each placement shows the same plan, before and after it was repaired."""
        whole = self.regions()
        self.assertTrue(whole, where)
        seen = [self.seen(region) for region in whole]
        for region, each in zip(whole, seen, strict=True):
            self.assertEqual(seen[0], each, f"{where} {region}")
            self.assertEqual([], self.read(region).direct, f"{where} {region}")
        self.the_lock_expires()
        self.sync()
        sites = [self.cloud.by_region[p["region"]] for p in self.variables["placements"]]
        self.assert_whole(*sites)
        self.assertEqual(seen[0], self.seen(whole[0]), where)
        again = self.state()
        # The next change, from each of them, finds all there is.
        for region in self.regions():
            self.restore(again)
            self.set(region, B="next")
            self.assertEqual(seen[0][0].keys(), self.files(region).keys(), where)
            self.assert_whole(*sites)
        self.restore(again)
        work()
        return seen[0]

    def edit(self, candidate):
        candidate.files["added.yaml"] = b"{}"
        candidate.files["environments/ha.yaml"] = b"parameter_defaults: {A: changed}\n"
        del candidate.files["roles_data.yaml"]
        candidate.files["roles_data.yaml"] = b"- name: Controller\n"

    def test_commit(self):
        self.add()

        def work():
            self.at("regionOne").change("plan", change(), self.edit)

        before, seen = self.seen("regionOne"), []
        for where in self.each_death(work):
            seen.append(self.check_whole(work, where) == before)
            self.assert_whole(self.one, self.two)
        self.assertEqual({True, False}, set(seen))

    def test_commit_while_the_other_is_stale(self):
        self.add()
        up = self.down(self.two["swift"])
        self.set(A="second")
        up()

        def work():
            self.at("regionOne").change("plan", change(), self.edit)

        for where in self.each_death(work):
            self.check_whole(work, where)
            self.assert_whole(self.one, self.two)

    def test_adding(self):
        seen = set()
        for where in self.each_death(self.add):
            seen.add(len(self.variables["placements"]))
            self.check_whole(self.add, where)
            self.assert_whole(self.one, self.two, revision=3)
        self.assertEqual({1, 2}, seen)

    @ddt.data("regionOne", "regionTwo")
    def test_removing(self, region):
        self.add()
        self.objects(self.one)["more.yaml"] = b"{}"
        self.commit()

        def work():
            if len(self.variables["placements"]) == 2:
                self.remove(region)

        seen = set()
        for where in self.each_death(work):
            seen.add((len(self.variables["placements"]), "stale" in self.variables))
            self.check_whole(work, where)
            self.assertEqual({}, self.cloud.by_region[region]["swift"].containers, where)
        self.assertEqual({(2, False), (2, True), (1, False)}, seen)

    def test_syncing(self):
        self.add()
        up = self.down(self.two["swift"])
        self.at("regionOne").change("plan", change(), self.edit)
        self.set(B="b")
        up()
        self.objects(self.two)["mine.yaml"] = b"mine"
        seen = set()
        for where in self.each_death(self.sync):
            seen.add("stale" in self.variables)
            self.the_lock_expires()
            self.sync()
            self.assertEqual(b"mine", self.objects(self.two)["mine.yaml"], where)
            self.assertEqual(["mine.yaml"], self.read("regionTwo").direct, where)
            self.commit("regionTwo")
            self.assert_whole(self.one, self.two)
        self.assertEqual({True, False}, seen)

    def test_deleting(self):
        self.add()
        for where in self.each_death(self.delete):
            self.the_lock_expires()
            if "plan" in self.mistral.environments:
                self.assertEqual(self.seen("regionOne"), self.seen("regionTwo"), where)
                self.delete()
            else:
                for region, services in self.cloud.by_region.items():
                    if services["swift"].containers:
                        self.delete(region)
            for services in (self.one, self.two):
                self.assertEqual({}, services["swift"].containers, where)
            self.assertLessEqual(set(self.mistral.environments), {"plan.lock"})
            self.mistral.environments.clear()

    def commit(self, region="regionOne"):
        return self.at(region).change("plan", change(), nothing)


class _OneAfterTheOther:
    """Does what a pool of threads does, in this thread: a killed executor makes nothing else."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def map(self, work, items):
        return [work(item) for item in items]


@ddt.ddt
class Delete(WithPlacements):
    def setUp(self):
        super().setUp()
        self.place()

    def refusing(self, region=None):
        self.delete(region, check=lambda site: stacks.check_unused(site.cloud, "plan", "x"))

    @ddt.data(None, "regionOne", "regionTwo")
    def test_nothing_is_left_anywhere(self, region):
        self.override("regionTwo", A="x")
        self.refusing(region)
        for services in (self.one, self.two):
            self.assertEqual({}, services["swift"].containers)
        self.assertEqual({}, self.mistral.environments)

    @ddt.data(*itertools.product(("regionOne", "regionTwo"), (None, "regionOne", "regionTwo")))
    @ddt.unpack
    def test_stack_in_any_placement_keeps_it(self, where, region):
        self.cloud.by_region[where]["heat"].add("plan", "CREATE_COMPLETE")
        before = self.state()
        self.assertRaises(exceptions.StackInUse, self.refusing, region)
        self.assertEqual(before, self.state())

    @ddt.data(
        *itertools.product(
            ("regionOne", "regionTwo"), ("swift", "heat"), (None, "regionOne", "regionTwo")
        )
    )
    @ddt.unpack
    def test_placement_that_does_not_answer_keeps_it_whole(self, where, service, region):
        before = self.state()
        up = self.down(self.cloud.by_region[where][service])
        self.assertRaises(UNREACHABLE, self.refusing, region)
        self.assertEqual(before, self.state())
        up()
        self.refusing()

    def test_with_a_stale_placement(self):
        up = self.down(self.one["swift"])
        self.set("regionTwo", A="second")
        up()
        self.refusing()
        for services in (self.one, self.two):
            self.assertEqual({}, services["swift"].containers)

    def test_containers_of_others_stay(self):
        for services in (self.one, self.two):
            services["swift"].containers["mine"] = {"a": b"b"}
        self.refusing()
        for services in (self.one, self.two):
            self.assertEqual({"mine"}, set(services["swift"].containers))


class Elsewhere(test_placements.WithEdge):
    """A placement in another cloud, in a region of the same name."""

    def setUp(self):
        super().setUp()
        self.place()
        self.add("regionOne", "edge")

    def test_plan_is_there_and_its_environment_is_at_home(self):
        self.assert_whole(self.one, self.two, self.edge, revision=4)
        self.assertEqual(
            [(None, "regionOne"), (None, "regionTwo"), ("edge", "regionOne")],
            [(p["cloud"], p["region"]) for p in self.variables["placements"]],
        )

    def test_its_region_need_not_be_named_where_it_is_the_only_one(self):
        self.remove("regionOne", "edge")
        committed, place = placing.add(
            self.at(None, "edge"), "plan", "edge", None, change(), sync=True
        )
        self.assertEqual("edge/regionOne", place.name)
        self.assertEqual(6, committed.revision)

    def test_cloud_that_cannot_be_entered_makes_it_stale(self):
        self.start_executor()
        self.cloud.http.post(
            "http://keystone.edge.test:5000/v3/auth/tokens", status_code=401, json={}
        )
        committed = self.set(A="second")
        self.assertEqual(["edge/regionOne"], list(committed.stale))
        self.assertEqual({"edge/regionOne": 4}, self.variables["stale"])
        self.assertIsNotNone(self.show()["edge/regionOne"]["problem"])

    def test_cloud_that_is_configured_no_more_is_told(self):
        self.useFixture(fixtures.MonkeyPatch("openstack.config.loader.CONFIG_FILES", []))
        self.assertRaises(exceptions.CloudNotFound, self.read, None, "edge")
        self.assertEqual(["edge/regionOne"], list(self.set(A="second").stale))
        self.assertIn("clouds.yaml", self.show("regionOne")["edge/regionOne"]["problem"])
        told = {each["placement"]: each for each in placing.sync(self.at(), "plan", change())}
        self.assertEqual("stale", told["edge/regionOne"]["state"])
        self.assertEqual("synced", told["regionTwo"]["state"])

    def test_one_token_is_enough_for_all_threads_of_an_action(self):
        self.start_executor()
        before = self.keystone.call_count
        self.show()
        self.assertEqual(1, self.keystone.call_count - before)
        self.show()
        self.set(A="x")
        self.assertEqual(1, self.keystone.call_count - before)

    def test_no_credentials_get_into_the_plan(self):
        self.set(A="x")
        found = self.stored()
        for secret in ("canary-password-91", "canary-edge-token", fakes.TOKEN):
            self.assertNotIn(secret, found)
            self.assertNotIn(secret, self.log.output)

    def test_token_of_one_cloud_is_never_sent_to_the_other(self):
        self.set(A="x")
        self.show()
        self.assertEqual(
            {b"canary-edge-token"},
            {request.headers["X-Auth-Token"] for request in self.edge["swift"].sent},
        )
        for services in (self.one, self.two):
            self.assertEqual(
                {fakes.TOKEN.encode()},
                {request.headers["X-Auth-Token"] for request in services["swift"].sent},
            )

    def test_remove_and_delete_reach_it(self):
        self.remove("regionOne", "edge")
        self.assertEqual({}, self.edge["swift"].containers)
        self.assertIn("plan", self.one["swift"].containers)
        self.add("regionOne", "edge")
        self.at().delete("plan", change())
        for services in self.all_services():
            self.assertEqual({}, services["swift"].containers)
