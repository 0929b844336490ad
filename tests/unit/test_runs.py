import collections
import dataclasses
import json
import math

import ddt
import requests.exceptions
from ironicclient import exc as ironic_exc

from tests.unit import base, fake_ironic, fakes
from tests.unit.fake_ironic import CONDUCTOR, uuids
from tripleo_common import exceptions
from tripleo_common.baremetal import documents, following, introspection, provisioning, runs

OBJECT = "runs/run.json"


class WithRun(fake_ironic.WithIronic):
    """Nodes that are made manageable, or introspected."""

    def begin(self, nodes, **more):
        """Begin to make nodes manageable."""
        return following.move(self.cloud, uuids(nodes), "manage", None, run_id="run", **more)

    def introspect(self, nodes, **more):
        return following.introspect(self.cloud, uuids(nodes), run_id="run", **more)

    def enrolled(self, count):
        return self.ironic.add_many(count, provision_state="enroll", power_state=None)


class Requests(WithRun):
    """What Ironic is asked."""

    def manage(self, count, seconds=2.0):
        """Make nodes manageable; return how often Ironic was looked at, and all requests."""
        self.ironic.seconds = seconds
        self.ironic.requests.clear()
        self.ironic.sent.clear()
        run_id = f"run-{count}"
        nodes = [self.ironic.add(provision_state="enroll") for _ in range(count)]
        following.move(self.cloud, uuids(nodes), "manage", None, run_id=run_id)
        self.end(run_id)
        return self.ironic.looks, list(self.ironic.requests)

    def test_one_look_for_all_and_one_request_for_each_change(self):
        looks, found = self.manage(60)
        self.assertEqual(self.manage(2)[0], looks)
        kinds = collections.Counter(line.rpartition("/")[2] for line in found)
        self.assertEqual({"": looks, "provision": 60}, kinds)

    def test_waiting_for_long_takes_few_looks_whatever_the_number_of_nodes(self):
        few, _ = self.manage(2, seconds=600)
        many, found = self.manage(40, seconds=600)
        self.assertEqual(few, many)
        self.assertLess(many, 600 / 2)
        self.assertEqual(many + 40, len(found))

    def test_each_page_of_a_look_is_a_request(self):
        self.ironic.max_limit = 25
        looks, found = self.manage(60)
        self.assertEqual(3 * looks + 60, len(found))

    def test_many_are_asked_in_parts_so_that_none_is_forgotten_meanwhile(self):
        self.set_options(baremetal_threads=2)
        looks, found = self.manage(40)
        self.assertEqual(looks + 40, len(found))
        first = [line for line in found if line.startswith("PUT")][:16]
        second_look = found.index("GET /v1/nodes/", found.index(first[0]))
        self.assertEqual(first, [line for line in found[:second_look] if "PUT" in line])

    def test_a_step_ends_after_some_seconds(self):
        self.ironic.seconds = 100
        self.begin(self.enrolled(2))
        began = self.fake.clock.now
        found = self.step()
        self.assertEqual((False, 2), (found["done"], found["counts"]["running"]))
        self.assertEqual(began + runs.STEP_SECONDS, self.fake.clock.now)
        self.assertEqual(
            "0 of 2 nodes have ended, 0 of them failed; under way: 2, waiting: 0.", found["message"]
        )

    def test_run_that_has_ended_asks_nothing(self):
        self.begin(self.enrolled(2))
        result = self.end()
        self.ironic.requests.clear()
        self.assertEqual(result, self.step())
        self.assertEqual([], self.ironic.requests)


class Concurrency(WithRun):
    def test_never_more_than_so_many_and_as_many_as_that(self):
        nodes = self.ironic.add_many(10)
        self.introspect(nodes, concurrency=3)
        self.end()
        self.assertEqual(3, self.ironic.most_under_way)
        self.assertEqual(10, len(self.ironic.accepted))

    def test_the_window_refills_when_one_ends(self):
        nodes = self.ironic.add_many(9)
        self.ironic.slow[nodes[0]["uuid"]] = 60
        self.introspect(nodes, concurrency=2)
        self.end()
        entries = self.record().entries.values()
        ends = [entry.attempts[-1]["began"] + entry.attempts[-1]["seconds"] for entry in entries]
        self.assertEqual(max(ends), ends[0])
        # While it was under way one after the other of the others was.
        self.assertLess(max(ends) - 1000, 70)

    def test_no_limit(self):
        self.introspect(self.ironic.add_many(30), concurrency=0)
        self.end()
        self.assertEqual(30, self.ironic.most_under_way)

    def test_nodes_that_somebody_else_has_started_count(self):
        nodes = self.ironic.add_many(4)
        for node in nodes[2:]:
            self.cloud.ironic.node.set_provision_state(node["uuid"], "inspect")
        self.introspect(nodes, concurrency=2)
        self.end()
        self.assertEqual(2, self.ironic.most_under_way)
        self.assertEqual(4, len(self.ironic.accepted))

    def test_nodes_that_are_locked_are_in_nobodys_way(self):
        nodes = self.ironic.add_many(4)
        self.ironic.lock(nodes[0])
        self.introspect(nodes, concurrency=1)
        self.end_badly()
        ended = {uuid: entry.attempts for uuid, entry in self.record().entries.items()}
        self.assertEqual([], ended.pop(nodes[0]["uuid"]))
        self.assertLess(max(a[-1]["began"] + a[-1]["seconds"] for a in ended.values()), 1060)


@ddt.ddt
class Refusals(WithRun):
    def test_locked_node_is_retried(self):
        nodes = self.enrolled(3)
        self.ironic.lock(nodes[1], 30)
        self.begin(nodes)
        self.end()
        self.assertEqual({"manageable": 3}, self.ironic.states())
        self.assertGreater(len(self.ironic.asked(nodes[1])), 2)
        self.assertEqual(1, len(self.ironic.asked(nodes[0])))

    def test_locked_node_fails_when_patience_ends_with_who_locks_it(self):
        self.set_options(baremetal_patience=50)
        nodes = self.enrolled(3)
        self.ironic.lock(nodes[1])
        self.begin(nodes)
        (failed,) = self.end_badly()["failed"]
        self.assertEqual(nodes[1]["uuid"], failed["uuid"])
        self.assertIn(f"is locked by host {CONDUCTOR}", failed["error"])
        self.assertGreater(self.fake.clock.now, 1050)
        self.assertLess(self.fake.clock.now, 1060)
        self.assertEqual({"manageable": 2, "enroll": 1}, self.ironic.states())

    def test_no_free_conductor_is_retried(self):
        nodes = self.enrolled(2)
        self.ironic.refuse("PUT", "/states/provision$", 503, "lack of free conductor workers", 2)
        self.begin(nodes)
        self.end()
        self.assertEqual({"manageable": 2}, self.ironic.states())

    def test_what_ironic_says_when_it_refuses(self):
        nodes = self.enrolled(2)
        path = f"{nodes[0]['uuid']}/states/provision$"
        self.ironic.refuse("PUT", path, 400, "driver is not here")
        self.begin(nodes)
        (failed,) = self.end_badly()["failed"]
        self.assertIn("driver is not here", failed["error"])
        # The first refusal might have come because it was under way already.
        self.assertEqual(2, len(self.ironic.asked(nodes[0])))

    def test_refused_because_somebody_else_has_just_asked(self):
        (node,) = nodes = self.enrolled(1)

        def somebody_else(_request, context):
            self.ironic._serve_node_states_provision("PUT", context, node, {"target": "manage"})
            context.status_code = 400
            return "{}"

        hooks = [somebody_else]
        self.ironic.on("PUT", "/provision$", lambda *given: hooks.pop()(*given) if hooks else None)
        self.begin(nodes)
        self.end()
        self.assertEqual(1, len(self.ironic.asked()))

    def test_answer_that_is_lost(self):
        nodes = self.enrolled(3)
        self.ironic.lose_answer("PUT", "/states/provision$", times=3)
        self.begin(nodes)
        self.end()
        self.assertEqual(3, len(self.ironic.asked()))

    def test_failure_of_which_the_begin_was_not_seen(self):
        (node,) = nodes = self.enrolled(1)
        self.ironic.lose_answer("PUT", "/states/provision$")
        self.ironic.break_next(node, "manage", "BMC does not answer")
        self.begin(nodes)
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("BMC does not answer", failed["error"])
        self.assertEqual(1, len(self.ironic.asked()))

    def test_node_that_vanishes(self):
        nodes = self.enrolled(3)
        self.ironic.seconds = 30
        self.begin(nodes)
        self.step()
        del self.ironic.nodes[nodes[1]["uuid"]]
        (failed,) = self.end_badly()["failed"]
        self.assertEqual(
            {
                "uuid": nodes[1]["uuid"],
                "name": "node-1",
                "error": "it is not in Ironic any more",
            },
            failed,
        )


@ddt.ddt
class Silence(WithRun):
    """Ironic does not answer."""

    def test_for_a_while_so_the_run_goes_on(self):
        nodes = self.enrolled(5)
        self.ironic.seconds = 30
        self.begin(nodes)
        self.step()
        self.ironic.is_down = self.fake.clock.now + 100
        self.end()
        self.assertEqual({"manageable": 5}, self.ironic.states())
        self.assertEqual(5, len(self.ironic.asked()))

    def test_it_dies_again_later(self):
        self.ironic.seconds = 300
        self.begin(self.enrolled(2))
        self.step()
        for _ in range(2):
            self.ironic.is_down = self.fake.clock.now + 100
            for _ in range(6):
                self.assertFalse(self.step()["done"])
        self.end()

    @ddt.data(None, 500, 502, 503)
    def test_for_long_so_the_run_ends_with_what_was_done(self, status):
        nodes = self.enrolled(4)
        self.ironic.slow[nodes[3]["uuid"]] = math.inf
        self.begin(nodes)
        self.step()
        if status:
            self.ironic.refuse("GET", "^/v1/nodes", status, "ill")
        else:
            self.ironic.is_down = True
        since = self.fake.clock.now
        details = self.end_badly()
        self.assertEqual(
            {"queued": 0, "running": 0, "succeeded": 3, "failed": 1}, details["counts"]
        )
        (failed,) = details["failed"]
        self.assertEqual(nodes[3]["uuid"], failed["uuid"])
        self.assertIn("nothing more is known of it: baremetal", failed["error"])
        self.assertLess(self.fake.clock.now - since, 120 + 2 * runs.STEP_SECONDS)

    def test_it_dies_while_nodes_are_asked(self):
        nodes = self.enrolled(5)
        count = []

        def die(_request, _context):
            count.append(1)
            if len(count) == 3:
                self.ironic.is_down = self.fake.clock.now + 60

        self.ironic.on("PUT", "/provision$", die)
        self.begin(nodes)
        self.end()
        self.assertEqual({"manageable": 5}, self.ironic.states())

    def test_refusal_is_no_silence(self):
        self.begin(self.enrolled(1))
        self.ironic.refuse("GET", "^/v1/nodes", 403, "no")
        self.assertRaises(ironic_exc.Forbidden, self.step)
        self.assertEqual(1000, self.fake.clock.now)


@ddt.ddt
class Record(WithRun):
    """What is kept of a run, and who may die."""

    @ddt.data(503, 500, None)
    def test_it_is_written_though_swift_fails_for_a_moment(self, status):
        self.begin(self.enrolled(2))
        left = [2]

        def fail(_request, context):
            left[0] -= 1
            if left[0] < 0:
                return None
            if status is None:
                raise requests.exceptions.ConnectionError("hung up")
            context.status_code = status
            return ""

        self.fake.swift.on("PUT", OBJECT, fail)
        self.assertEqual(2, self.end()["counts"]["succeeded"])
        self.assertLess(left[0], 0)

    def test_it_has_all(self):
        run = runs.Run("run", "provision", {"goal": "manageable", "moves": ["manage"]}, 7.5)
        run.silent, run.failed, run.removed = 3.0, [{"uuid": None, "error": "x"}], ["u9"]
        run.add(
            runs.Entry(
                "u1",
                "one",
                state=runs.RUNNING,
                attempts=[{"began": 1, "seconds": 2.0, "error": "e"}],
                facts={"cpus": 4},
                **{
                    field.name: "v"
                    for field in dataclasses.fields(runs.Entry)
                    if field.name in ("result", "provision_state", "asked", "refusal", "before")
                },
            )
        )
        run.save(self.cloud)
        loaded = runs.Run.load(self.cloud, "run")
        self.assertEqual(vars(run), vars(loaded))

    @ddt.data("", None, 7, "a/b", "x" * 101, ["run"], {"a": 1})
    def test_what_is_no_id(self, run_id):
        self.assertRaises(exceptions.InputInvalid, runs.Run.load, self.cloud, run_id)

    @ddt.data("other", "..", "run.json", "ü")
    def test_there_is_no_such_run(self, run_id):
        error = self.assertRaises(exceptions.RunNotFound, self.step, run_id)
        self.assertEqual(run_id, error.run)

    @ddt.data(
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"id": "run"}',
        b'{"id":"run","kind":"provision","options":7,"began":1,"silent":null,"failed":[],'
        b'"removed":[],"nodes":[]}',
        b'{"id":"run","kind":"provision","options":{},"began":1,"silent":null,"failed":[],'
        b'"removed":[],"nodes":[7]}',
        b'{"id":"run","kind":"provision","options":{},"began":1,"silent":null,"failed":[],'
        b'"removed":[],"nodes":[{"uuid":"u","surprise":1}]}',
        b'{"id":"run","kind":"surprise","options":{},"began":1,"silent":null,"failed":[],'
        b'"removed":[],"nodes":[]}',
        b'{"id":"run","kind":[],"options":{},"began":1,"silent":null,"failed":[],'
        b'"removed":[],"nodes":[]}',
    )
    def test_record_that_somebody_else_has_written(self, content):
        self.fake.swift.containers[documents.CONTAINER] = {OBJECT: content}
        self.assertRaises(exceptions.RunNotFound, self.step)

    def test_it_is_made_before_anything_is_asked(self):
        nodes = self.enrolled(2)
        found = self.begin(nodes)
        self.assertEqual(
            {
                "run": "run",
                "done": False,
                "total": 2,
                "counts": {"queued": 2, "running": 0, "succeeded": 0, "failed": 0},
                "message": "0 of 2 nodes have ended, 0 of them failed; under way: 0, waiting: 2.",
            },
            found,
        )
        self.assertEqual([], self.ironic.asked())
        self.assertEqual(uuids(nodes), list(self.record().entries))

    def test_without_an_id_it_has_one_of_its_own(self):
        nodes = self.enrolled(1)
        ids = {following.move(self.cloud, uuids(nodes), "manage", None)["run"] for _ in range(2)}
        self.assertEqual(2, len(ids))
        for run_id in ids:
            self.end(run_id)

    def test_begun_twice_it_is_the_same_run(self):
        nodes = self.enrolled(3)
        self.begin(nodes[:2])
        self.ironic.requests.clear()
        # Mistral has delivered it again, and other nodes are there by now.
        self.assertEqual(2, self.begin(nodes)["total"])
        self.end()
        del self.ironic.nodes[nodes[0]["uuid"]]
        found = self.begin(nodes[:2])
        self.assertEqual((True, 2), (found["done"], found["counts"]["succeeded"]))
        self.assertEqual("enroll", nodes[2]["provision_state"])

    def test_it_is_written_while_the_run_is_followed(self):
        self.ironic.seconds = 10
        self.begin(self.enrolled(2))
        found = []

        def look(_request, _context):
            record = json.loads(self.fake.swift.containers[documents.CONTAINER][OBJECT])
            found.append({node["state"] for node in record["nodes"]})

        self.ironic.on("GET", "^/v1/nodes", look)
        self.step()
        self.assertEqual(({"queued"}, {"running"}), (found[0], found[-1]))

    @ddt.data(*((kind, seconds) for kind in ("manage", "inspect") for seconds in (0, 100)))
    @ddt.unpack
    def test_executor_dies_at_any_moment(self, kind, seconds):
        """Another one goes on later, maybe when all that was asked has come to its end."""
        executor = self.fake.executor
        for number in range(1, 100):
            for done in (False, True):
                self.ironic.nodes.clear()
                self.ironic.accepted.clear()
                self.fake.swift.containers.clear()
                state = "enroll" if kind == "manage" else "manageable"
                nodes = self.ironic.add_many(3, provision_state=state)
                executor.kill_at(number, done=done)
                try:
                    self.begin(nodes) if kind == "manage" else self.introspect(nodes, concurrency=2)
                    self.end()
                except fakes.Killed:
                    pass
                else:
                    self.assertGreater(number, 3)
                    return
                executor.revive()
                self.fake.clock.now += seconds
                # Mistral delivers both again.
                self.begin(nodes) if kind == "manage" else self.introspect(nodes, concurrency=2)
                result = self.end()
                self.assertEqual(3, result["counts"]["succeeded"])
                asked = collections.Counter(self.ironic.accepted)
                self.assertEqual(dict.fromkeys(((n, kind) for n in uuids(nodes)), 1), asked)

    @ddt.data(1, 3, 5)
    def test_two_who_follow(self, lead):
        """One of them knows less than the other, and they look in turns."""
        nodes = self.ironic.add_many(5)
        self.introspect(nodes, concurrency=2)
        first, second = self.record(), self.record()
        clouds = [self.fake.open(), self.fake.open()]

        def look(cloud, run):
            work = introspection.IronicInspection(cloud, run.options)
            runs.follow(cloud, work, run, seconds=0)

        for _ in range(lead):
            look(clouds[0], first)
            self.fake.clock.now += 0.7
        for _ in range(40):
            look(clouds[1], second)
            look(clouds[0], first)
            self.fake.clock.now += 0.7
        self.assertEqual(([], []), (first.open, second.open))
        self.assertEqual([], self.end()["failed_introspection"])
        self.assertEqual(
            dict.fromkeys(((uuid, "inspect") for uuid in uuids(nodes)), 1),
            collections.Counter(self.ironic.accepted),
        )

    @ddt.data("manage", "inspect")
    def test_two_who_have_looked_before_either_asked(self, kind):
        nodes = self.enrolled(3) if kind == "manage" else self.ironic.add_many(3)
        self.begin(nodes) if kind == "manage" else self.introspect(nodes)
        seen = [dict(node) for node in nodes]
        works = [following._WORKS[self.record().kind](self.cloud, self.record().options)] * 2
        both = list(zip(works, (self.record(), self.record()), strict=True))
        runs.follow(self.cloud, *both[0], seconds=0)
        # An inspection is in another state a second later, and no more locked.
        self.fake.clock.now += 1.5
        looks = [json.dumps({"nodes": seen})]

        def look(_request, context):
            context.headers["Content-Type"] = "application/json"
            return looks.pop() if looks else None

        self.ironic.on("GET", "^/v1/nodes", look)
        runs.follow(self.cloud, *both[1], seconds=0)
        self.assertEqual([kind] * 6, self.ironic.asked())
        self.assertEqual(3, self.end()["counts"]["succeeded"])
        self.assertEqual([kind] * 6, self.ironic.asked())
        self.assertEqual(3, len(self.ironic.accepted))

    def test_fault_of_ours_ends_no_other_node(self):
        nodes = self.ironic.add_many(3)
        self.introspect(nodes)
        self.ironic.fail("GET", f"{nodes[0]['uuid']}/inventory", 200, '"a text"')
        result = self.end()
        self.assertEqual(3, result["counts"]["succeeded"])
        self.assertEqual(8, result["introspected_nodes"][nodes[1]["uuid"]]["cpus"])


class Sizes(WithRun):
    """Mistral's records stay small; what is larger is in the run's own."""

    def run_of(self, count, work=provisioning.Provision, **fields):
        """Store a run over many nodes; return its record's size."""
        run = runs.Run("run", work.kind, {"goal": "manageable", "moves": ["manage"]}, 1000.0)
        for number in range(count):
            entry = runs.Entry(
                f"{number:08}-1111-2222-3333-444444444444",
                f"node-{number}.rack-17.example.org",
                **{"state": runs.SUCCEEDED, "provision_state": "manageable", **fields},
            )
            run.add(entry)
        run.save(self.cloud)
        return run

    def size(self, value):
        return len(json.dumps(value))

    def test_few_nodes_are_shown_with_all_that_is_known(self):
        self.run_of(3, result="registered")
        self.assertEqual(
            {
                "uuid": "00000000-1111-2222-3333-444444444444",
                "name": "node-0.rack-17.example.org",
                "provision_state": "manageable",
                "result": "registered",
            },
            self.step()["nodes"][0],
        )

    def test_many_nodes_are_all_there(self):
        self.run_of(500, result="registered")
        result = self.step()
        self.assertEqual(500, len(result["nodes"]))
        self.assertEqual(500, result["registered"])
        self.assertIn("uuid", result["nodes"][499])
        self.assertLess(self.size(result), 48 * 1024)

    def test_very_many_nodes_are_counted_and_the_first_are_shown(self):
        self.run_of(3000, result="registered")
        result = self.step()
        self.assertEqual(3000, result["registered"])
        self.assertGreater(len(result["nodes"]), 500)
        self.assertLess(self.size(result), 48 * 1024)

    def test_progress_does_not_grow(self):
        run = self.run_of(500, state=runs.QUEUED)
        self.assertLess(self.size(run.progress()), 400)

    def test_summary_of_many_that_failed(self):
        run = self.run_of(500, state=runs.FAILED, error="why " * 250)
        summary = run.summary()
        self.assertLess(self.size(summary), 48 * 1024)
        self.assertEqual("why " * 250, summary["failed"][0]["error"])
        self.assertEqual(500, summary["counts"]["failed"])

    def test_where_the_rest_is(self):
        self.run_of(1)
        place = self.step()["record"]
        self.assertEqual({"container": "tripleo-baremetal", "object": OBJECT}, place)
        self.assertIn(place["object"], self.fake.swift.containers[place["container"]])

    def test_results_are_counted(self):
        run = self.run_of(2, result="unchanged")
        run.add(runs.Entry("u", None, state=runs.SUCCEEDED, result="updated"))
        run.removed = ["x", "y", "z"]
        found = run.results()
        self.assertEqual((2, 1, 3), (found["unchanged"], found["updated"], found["removed"]))

    def test_what_did_not_become_a_node_has_failed(self):
        run = self.run_of(2)
        run.failed = [{"uuid": None, "name": "third", "error": "no driver"}]
        self.assertEqual(
            (True, 3, 1), (run.progress()["done"], run.progress()["total"], len(run.failures()))
        )

    def test_what_fits(self):
        self.assertEqual([], runs.first([], 10))
        self.assertEqual(["aaaa"], runs.first(["aaaa", "bbbb"], 12))
        self.assertEqual(["aaaa", "bbbb"], runs.first(["aaaa", "bbbb"], 20))
        self.assertEqual([], runs.first(["a" * 100], 20))


@ddt.ddt
class Inputs(WithRun):
    @ddt.data(
        {"concurrency": -1},
        {"concurrency": "3"},
        {"concurrency": 2.5},
        {"concurrency": True},
        {"concurrency": None},
        {"concurrency": [1]},
        {"node_timeout": 0},
        {"node_timeout": -5},
        {"node_timeout": "60"},
        {"node_timeout": True},
        {"node_timeout": math.nan},
        {"node_timeout": math.inf},
        {"node_timeout": 10**10},
        {"node_timeout": {}},
    )
    def test_limits(self, limits):
        nodes = self.ironic.add_many(1)
        for begin in (self.begin, self.introspect):
            error = self.assertRaises(exceptions.InputInvalid, begin, nodes, **limits)
            self.assertEqual(next(iter(limits)), error.name)
        self.assertEqual([], self.ironic.requests)

    @ddt.data(0, -1, 21, "2", 1.5, True, None, [])
    def test_attempts(self, attempts):
        nodes = self.ironic.add_many(1)
        error = self.assertRaises(
            exceptions.InputInvalid, self.introspect, nodes, attempts=attempts
        )
        self.assertEqual("max_retry_attempts", error.name)

    @ddt.data("active", {"a": 1}, [1], [None], 7, [["active"]])
    def test_error_states(self, errors):
        nodes = self.ironic.add_many(1)
        error = self.assertRaises(exceptions.InputInvalid, self.begin, nodes, errors=errors)
        self.assertEqual("error_states", error.name)

    def test_names_and_duplicates(self):
        node, other = self.enrolled(2)
        names = [node["name"], node["uuid"], other["uuid"].upper(), node["name"]]
        found = following.move(self.cloud, names, "manage", "manageable", run_id="run")
        self.assertEqual(2, found["total"])
        self.end()
        self.assertEqual(2, len(self.ironic.asked()))

    def test_unknown_ones_are_told_and_nothing_is_begun(self):
        (node,) = self.enrolled(1)
        for begin in (
            lambda names: following.move(self.cloud, names, "manage", None, run_id="run"),
            lambda names: following.switch(self.cloud, names, "on", None, run_id="run"),
            lambda names: following.introspect(self.cloud, names, run_id="run"),
        ):
            error = self.assertRaises(
                exceptions.NodeNotFound, begin, ["x", node["uuid"], "also-not"]
            )
            self.assertEqual(["also-not", "x"], error.nodes)
        self.assertEqual([], self.ironic.asked())
        self.assertRaises(exceptions.RunNotFound, self.record)


class Told(base.TestCase):
    def told(self, *results, removed=()):
        run = runs.Run("r", "provision", {}, 0)
        for number, result in enumerate(results):
            run.add(runs.Entry(f"u{number}", result=result))
        run.removed.extend(removed)
        return run.told("made available")

    def test_what_came_of_the_nodes(self):
        self.assertEqual("1 node was made available.", self.told(None))
        self.assertEqual("2 nodes were made available.", self.told(None, None))
        self.assertEqual("1 node: 1 registered.", self.told("registered"))
        self.assertEqual(
            "3 nodes: 1 registered, 2 unchanged, 1 removed.",
            self.told("registered", "unchanged", "unchanged", removed=["u9"]),
        )


class Kept(WithRun):
    def test_records_do_not_stay_for_ever(self):
        self.fake.swift.containers["tripleo-baremetal"] = {}
        documents.write(self.cloud, "x", {})
        self.assertTrue(documents.create(self.cloud, "y", {}))
        puts = (request for request in self.fake.swift.sent if request.method == "PUT")
        kept = [request.headers["X-Delete-After"] for request in puts]
        self.assertEqual([b"2592000"] * 2, kept)
