import json
import math

import ddt

from tests.unit import fake_ironic, fakes
from tests.unit.fake_ironic import CONDUCTOR, INSPECTOR_URL, INVENTORY, uuids
from tripleo_common import exceptions
from tripleo_common.baremetal import following, introspection, runs, states

ELSEWHERE = sorted(
    states.STATES.keys() - states.MOVES["inspect"].origins - states.MOVES["inspect"].ways
)


class WithIntrospection(fake_ironic.WithIronic):
    def introspect(self, nodes, **more):
        """Introspect nodes, and return the result."""
        self.begin(nodes, **more)
        return self.end()

    def begin(self, nodes, **more):
        return following.introspect(self.cloud, uuids(nodes), run_id="run", **more)

    def introspect_badly(self, nodes, **more):
        """Introspect nodes, and return what is told of those that fail."""
        self.begin(nodes, **more)
        return self.end_badly()

    def errors(self, node):
        """Return the errors of each pass with a node."""
        return [attempt["error"] for attempt in self.entry(node).attempts]


@ddt.ddt
class Ironic(WithIntrospection):
    """Ironic's own inspection."""

    def test_what_was_found(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.finds[node["uuid"]] = {
            **INVENTORY,
            "cpu": {"count": 64, "architecture": "aarch64"},
        }
        result = self.introspect(nodes)
        found = result["introspected_nodes"][node["uuid"]]
        self.assertEqual(
            (True, None, node["uuid"], "node-0"),
            (found["finished"], found["error"], found["uuid"], found["name"]),
        )
        self.assertEqual(
            (64, "aarch64", 32768, "uefi"),
            (found["cpus"], found["cpu_arch"], found["memory_mib"], found["boot_mode"]),
        )
        self.assertEqual("/dev/sda", found["disks"][0]["name"])
        self.assertEqual("52:54:00:00:00:01", found["nics"][0]["mac"])
        self.assertEqual([{"began": 1000, "seconds": 3.0, "error": None}], found["attempts"])
        self.assertEqual(
            (True, [], "1 node was introspected."),
            (result["done"], result["failed_introspection"], result["message"]),
        )

    def test_all_that_are_manageable(self):
        nodes = self.ironic.add_many(3)
        others = [
            self.ironic.add(maintenance=True),
            self.ironic.add(instance_uuid="i"),
            self.ironic.add(provision_state="inspect failed"),
        ]
        following.introspect(self.cloud, "manageable", run_id="run")
        self.assertEqual(sorted(uuids(nodes)), sorted(self.end()["introspected_nodes"]))
        self.assertEqual([[]] * 3, [self.ironic.touched(node) for node in others])

    def test_another_time(self):
        """What was found before is not taken for what is found now."""
        (node,) = nodes = self.ironic.add_many(1)
        self.introspect(nodes)
        self.fake.clock.now += 10
        self.ironic.finds[node["uuid"]] = {**INVENTORY, "memory": {"physical_mb": 1024}}
        following.introspect(self.cloud, uuids(nodes), run_id="again")
        found = self.end("again")["introspected_nodes"][node["uuid"]]
        self.assertEqual(1024, found["memory_mib"])
        self.assertEqual(["inspect", "inspect"], self.ironic.asked(node))

    def test_node_whose_introspection_failed_before(self):
        (node,) = nodes = self.ironic.add_many(1, provision_state="inspect failed")
        self.introspect(nodes)
        self.assertEqual("manageable", node["provision_state"])

    def test_requests_are_looks_and_two_for_each_node(self):
        nodes = self.ironic.add_many(12)
        self.introspect(nodes, concurrency=0)
        requests = len(self.ironic.requests)
        self.assertEqual(self.ironic.looks + 2 * len(nodes), requests)

    def test_what_was_found_cannot_be_read(self):
        nodes = self.ironic.add_many(2)
        path = f"{nodes[0]['uuid']}/inventory"
        self.ironic.refuse("GET", path, 404, "No inventory found")
        found = self.introspect(nodes)["introspected_nodes"]
        self.assertIn("without introspection data", found[nodes[0]["uuid"]]["error"])
        self.assertEqual(8, found[nodes[1]["uuid"]]["cpus"])

    def test_what_was_found_is_read_when_ironic_is_there_again(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.refuse("GET", "/inventory", 503, "busy", times=2)
        self.assertEqual(8, self.introspect(nodes)["introspected_nodes"][node["uuid"]]["cpus"])

    @ddt.data(*ELSEWHERE)
    def test_node_that_is_elsewhere_is_never_touched(self, state):
        node, other = self.ironic.add_many(2)
        node["provision_state"] = state
        details = self.introspect_badly([node, other], attempts=3)
        cause = details["failed"][0]["error"]
        advice = states.advice(state)
        if state in ("enroll", "available", "clean failed", "adopt failed"):
            advice = "Make it so (tripleo.baremetal.v1.manage)."
        self.assertEqual(
            f"it is {state}; only manageable nodes can be introspected. {advice}", cause
        )
        self.assertEqual([node["uuid"]], details["failed_introspection"])
        self.assertEqual([], self.ironic.touched(node))
        self.assertIsNone(details["introspected_nodes"][other["uuid"]]["error"])

    @ddt.data(
        ({"instance_uuid": "i-7"}, "it is in use by instance i-7"),
        ({"maintenance": True}, "it is in maintenance; take that off first"),
    )
    @ddt.unpack
    def test_node_in_use_or_maintenance_is_never_touched(self, fields, cause):
        node = self.ironic.add(**fields)
        (failed,) = self.introspect_badly([node], attempts=3)["failed"]
        self.assertEqual(cause, failed["error"])
        self.assertEqual(([], []), (self.ironic.touched(node), self.errors(node)))

    def test_results_of_every_pass_are_kept(self):
        nodes = self.ironic.add_many(3)
        self.ironic.break_next(nodes[0], "inspect", "no boot", "no inventory")
        self.ironic.break_next(nodes[1], "inspect", "one", "two", "three", "four")
        details = self.introspect_badly(nodes, attempts=3)
        self.assertEqual(["no boot", "no inventory", None], self.errors(nodes[0]))
        self.assertEqual(["one", "two", "three"], self.errors(nodes[1]))
        self.assertEqual([None], self.errors(nodes[2]))
        self.assertEqual([nodes[1]["uuid"]], details["failed_introspection"])
        shown = details["introspected_nodes"]
        self.assertEqual(
            ("three", True), (shown[nodes[1]["uuid"]]["error"], shown[nodes[1]["uuid"]]["finished"])
        )
        self.assertEqual(self.entry(nodes[0]).attempts, shown[nodes[0]["uuid"]]["attempts"])
        self.assertIsNone(shown[nodes[0]["uuid"]]["error"])

    def test_node_that_is_taken_between_two_passes(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.break_next(node, "inspect", "no boot")

        def take(*_):
            if node["provision_state"] == "inspect failed":
                node["instance_uuid"] = "i-7"

        self.begin(nodes, attempts=3)
        self.ironic.on("GET", "^/v1/nodes", take)
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("it is in use by instance i-7", failed["error"])
        self.assertEqual(["no boot"], self.errors(node))
        self.assertEqual(["inspect"], self.ironic.asked(node))

    def test_failed_node_with_no_attempt_left_ends_at_once(self):
        nodes = self.ironic.add_many(2)
        self.ironic.break_next(nodes[0], "inspect", "no boot")
        self.ironic.slow[nodes[1]["uuid"]] = 200
        self.begin(nodes)
        self.step()
        self.assertEqual(
            ("failed", "no boot"), (self.entry(nodes[0]).state, self.entry(nodes[0]).error)
        )
        self.assertEqual("running", self.entry(nodes[1]).state)

    def test_nothing_was_found_and_nobody_says_why(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.slow[node["uuid"]] = math.inf
        self.begin(nodes)
        self.step()
        node.update(provision_state="manageable", target_provision_state=None)
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("it is manageable, and nothing was found", failed["error"])

    def test_somebody_makes_a_failed_one_manageable(self):
        """That it is manageable does not tell that anything was found."""
        (node,) = nodes = self.ironic.add_many(1)
        node["inspection_finished_at"] = "2026-01-01T00:00:00+00:00"
        self.ironic.break_next(node, "inspect", "no boot", None)
        self.begin(nodes, attempts=2)

        def manage(*_):
            if node["provision_state"] == "inspect failed":
                node.update(provision_state="manageable", target_provision_state=None)

        self.ironic.on("GET", "^/v1/nodes", manage)
        self.end()
        self.assertEqual(["no boot", None], self.errors(node))

    def test_somebody_else_has_begun_it(self):
        nodes = self.ironic.add_many(2)
        self.ironic.break_next(nodes[1], "inspect", "no boot")
        for node in nodes:
            self.cloud.ironic.node.set_provision_state(node["uuid"], "inspect")
        details = self.introspect_badly(nodes)
        self.assertEqual([nodes[1]["uuid"]], details["failed_introspection"])
        self.assertEqual("no boot", details["failed"][0]["error"])
        self.assertEqual(2, len(self.ironic.asked()))


@ddt.ddt
class Timeout(WithIntrospection):
    def test_it_is_aborted_and_tried_again(self):
        node, other = nodes = self.ironic.add_many(2)
        self.ironic.slow[node["uuid"]] = math.inf
        self.begin(nodes, attempts=2, node_timeout=30)
        self.step()
        self.ironic.slow.clear()
        self.assertEqual(2, self.end()["counts"]["succeeded"])
        self.assertEqual(["inspect", "abort", "inspect"], self.ironic.asked(node))
        self.assertEqual(["inspect"], self.ironic.asked(other))
        first, second = self.entry(node).attempts
        self.assertEqual(
            "it was still in state inspect wait after 30 seconds (The node's ramdisk is awaited): "
            "see whether it boots from the network, and whether the MAC addresses of its ports are "
            "its own",
            first["error"],
        )
        self.assertGreaterEqual(first["seconds"], 30)
        self.assertLess(first["seconds"], 35)
        self.assertIsNone(second["error"])

    def test_every_attempt_has_that_time(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.slow[node["uuid"]] = math.inf
        self.introspect_badly(nodes, attempts=3, node_timeout=40)
        self.assertEqual(["inspect", "abort"] * 3, self.ironic.asked(node))
        self.assertEqual(3, len(self.errors(node)))
        self.assertEqual("inspect failed", node["provision_state"])
        self.assertLess(self.fake.clock.now, 1000 + 3 * 45)

    def test_it_does_not_count_while_it_waits_for_its_turn(self):
        nodes = self.ironic.add_many(4)
        self.ironic.seconds = 20
        self.introspect(nodes, concurrency=1, node_timeout=25)

    def test_many_at_the_same_time_are_stopped_together(self):
        nodes = self.ironic.add_many(16)
        for node in nodes:
            self.ironic.slow[node["uuid"]] = math.inf
        self.introspect_badly(nodes, concurrency=16, node_timeout=30)
        requests = self.ironic.requests
        asked = [n for n, line in enumerate(requests) if line.endswith("/states/provision")]
        aborts = asked[16:32]
        self.assertNotIn("GET /v1/nodes/", requests[aborts[0] : aborts[-1]])

    def test_it_ends_just_when_it_is_aborted(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.slow[node["uuid"]] = math.inf

        def abort(request, context):
            if json.loads(request.body)["target"] == "abort":
                self.ironic._process(node, "done", ())
                return json.dumps(self.ironic._refusal(context, 400, "it is manageable"))
            return None

        self.ironic.on("PUT", "/states/provision$", abort)
        self.introspect(nodes, node_timeout=30)
        self.assertEqual([None], self.errors(node))

    def test_it_cannot_be_aborted(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.slow[node["uuid"]] = math.inf

        def abort(request, context):
            if json.loads(request.body)["target"] == "abort":
                return json.dumps(self.ironic._refusal(context, 400, "this ramdisk is stubborn"))
            return None

        self.ironic.on("PUT", "/states/provision$", abort)
        (failed,) = self.introspect_badly(nodes, node_timeout=30)["failed"]
        self.assertIn("and could not be stopped: ", failed["error"])
        self.assertIn("this ramdisk is stubborn", failed["error"])

    def test_one_that_cannot_be_aborted_keeps_its_place_for_a_while(self):
        node, other = nodes = self.ironic.add_many(2)
        self.ironic.slow[node["uuid"]] = math.inf

        def abort(request, context):
            if json.loads(request.body)["target"] == "abort":
                return json.dumps(self.ironic._refusal(context, 400, "no"))
            return None

        self.ironic.on("PUT", "/states/provision$", abort)
        self.begin(nodes, node_timeout=30, concurrency=1)
        self.end_badly()
        began = self.entry(other).attempts[0]["began"]
        self.assertGreater(began, 1150)
        self.assertLess(began, 1160)

    def test_conductor_is_at_work_on_it(self):
        """Ironic does not take an abort then; it is tried again, and nobody else waits for that."""
        node, other = nodes = self.ironic.add_many(2)
        self.ironic.slow.update({node["uuid"]: math.inf, other["uuid"]: 40})
        self.begin(nodes, node_timeout=30, concurrency=2, attempts=1)
        self.step()
        self.ironic.slow.clear()
        self.ironic.lock(node, 60)
        self.end_badly()
        asked = self.ironic.asked(node)
        self.assertEqual({"inspect", "abort"}, set(asked))
        self.assertGreater(len(asked), 3)
        self.assertEqual("inspect failed", node["provision_state"])
        ended = self.entry(other).attempts[0]
        self.assertLess(ended["began"] + ended["seconds"], 1035)

    def test_conductor_is_at_work_on_it_for_ever(self):
        self.set_options(baremetal_patience=40)
        (node,) = nodes = self.ironic.add_many(1)
        self.ironic.slow[node["uuid"]] = math.inf
        self.begin(nodes, node_timeout=30)
        self.step()
        self.ironic.lock(node)
        (failed,) = self.end_badly()["failed"]
        self.assertIn(
            f"could not be stopped: baremetal refused the request (HTTP 409): Node "
            f"{node['uuid']} is locked by host {CONDUCTOR}",
            failed["error"],
        )
        self.assertLess(self.fake.clock.now, 1000 + 30 + 40 + 120 + 10)


class Report(WithIntrospection):
    """Large ones do not go through Mistral."""

    def run_of(self, count, **fields):
        run = runs.Run("run", "ironic-inspection", {}, 1000.0)
        for number in range(count):
            run.add(
                runs.Entry(
                    f"{number:08}-1111-2222-3333-444444444444",
                    f"node-{number}.example.org",
                    attempts=[{"began": 1, "seconds": 1.5, "error": None}],
                    **{
                        "state": runs.SUCCEEDED,
                        "facts": {
                            **introspection.inventory.facts(INVENTORY, {}),
                            "more": ["x" * 100] * 10,
                        },
                        **fields,
                    },
                )
            )
        run.save(self.cloud)
        return run

    def report(self, run):
        work = introspection.IronicInspection(self.cloud, run.options)
        found = work.report(run)
        return found["introspected_nodes"], len(json.dumps(found))

    def test_some_nodes_with_everything(self):
        shown, _ = self.report(self.run_of(10))
        self.assertEqual({10}, {len(node["more"]) for node in shown.values()})

    def test_more_nodes_in_a_line_each(self):
        shown, size = self.report(self.run_of(100))
        self.assertLess(size, 48 * 1024)
        self.assertEqual(100, len(shown))
        first = shown["00000000-1111-2222-3333-444444444444"]
        self.assertEqual("8 CPUs x86_64, 32 GiB, 1 disk 500 GiB, 1 NIC, uefi", first["summary"])
        self.assertNotIn("more", first)

    def test_500_nodes_are_all_there(self):
        shown, size = self.report(self.run_of(500))
        self.assertLess(size, 48 * 1024)
        self.assertEqual(500, len(shown))
        self.assertEqual({"finished": True, "error": None}, next(iter(shown.values())))

    def test_500_nodes_that_failed(self):
        run = self.run_of(500, state=runs.FAILED, error="why " * 250, facts=None)
        shown, _ = self.report(run)
        self.assertLess(len(json.dumps(shown)), 16 * 1024)
        self.assertEqual(200, len(next(iter(shown.values()))["error"]))
        details = self.end_badly()
        self.assertEqual(500, details["counts"]["failed"])

    def test_those_that_failed_come_first(self):
        run = self.run_of(500)
        last = list(run.entries.values())[-1]
        last.state, last.error = runs.FAILED, "no boot"
        shown, _ = self.report(run)
        self.assertEqual(
            (last.uuid, {"finished": True, "error": "no boot"}), next(iter(shown.items()))
        )

    def test_the_record_has_all_facts(self):
        self.run_of(500)
        self.step()
        self.assertEqual(10, len(list(self.record().entries.values())[499].facts["more"]))


@ddt.ddt
class Inspector(WithIntrospection):
    """ironic-inspector, where there is one."""

    HAS_INSPECTOR = True

    def setUp(self):
        super().setUp()
        self.inspector = self.fake.inspector

    def asked(self, node=None):
        return [
            line.rpartition("/introspection/")[2]
            for line in self.inspector.requests
            if line.startswith("POST ") and (node is None or node["uuid"] in line)
        ]

    def test_what_was_found(self):
        nodes = self.ironic.add_many(3)
        result = self.introspect(nodes)
        found = result["introspected_nodes"][nodes[1]["uuid"]]
        self.assertEqual((8, 32768, None), (found["cpus"], found["memory_mib"], found["error"]))
        self.assertEqual(sorted(uuids(nodes)), sorted(self.asked()))
        self.assertEqual([], self.ironic.asked())

    def test_another_time(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.introspect(nodes)
        self.fake.clock.now += 10
        self.ironic.finds[node["uuid"]] = {**INVENTORY, "memory": {"physical_mb": 1024}}
        following.introspect(self.cloud, uuids(nodes), run_id="again")
        found = self.end("again")["introspected_nodes"][node["uuid"]]
        self.assertEqual(1024, found["memory_mib"])
        self.assertEqual(2, len(self.asked()))

    def test_failures_are_tried_again_and_kept(self):
        nodes = self.ironic.add_many(3)
        self.inspector.faults[nodes[0]["uuid"]] = ["no boot", None]
        self.inspector.faults[nodes[1]["uuid"]] = ["one", "two"]
        details = self.introspect_badly(nodes, attempts=2)
        self.assertEqual([nodes[1]["uuid"]], details["failed_introspection"])
        self.assertEqual("two", details["failed"][0]["error"])
        self.assertEqual(["no boot", None], self.errors(nodes[0]))
        self.assertEqual(["one", "two"], self.errors(nodes[1]))
        self.assertEqual((2, 2, 1), tuple(len(self.asked(node)) for node in nodes))

    def test_it_failed_in_an_earlier_run(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.inspector.faults[node["uuid"]] = ["no boot", None]
        self.introspect_badly(nodes)
        self.fake.clock.now += 10
        following.introspect(self.cloud, uuids(nodes), run_id="again")
        self.end("again")

    def test_too_slow_a_node_is_aborted_and_tried_again(self):
        node, other = nodes = self.ironic.add_many(2)
        self.inspector.slow[node["uuid"]] = math.inf
        details = self.introspect_badly(nodes, attempts=2, node_timeout=30)
        self.assertEqual([node["uuid"]], details["failed_introspection"])
        uuid = node["uuid"]
        self.assertEqual([uuid, f"{uuid}/abort"] * 2, self.asked(node))
        self.assertIn("after 30 seconds", details["failed"][0]["error"])
        self.assertIsNone(details["introspected_nodes"][other["uuid"]]["error"])

    def test_one_that_cannot_be_aborted_just_now_is_asked_to_again(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.inspector.slow[node["uuid"]] = math.inf
        refusals = ["it is powering the node on", "the same"]

        def refuse(_request, context):
            if not refusals:
                return None
            return json.dumps(self.inspector._refuse(context, 409, refusals.pop()))

        self.inspector.on("POST", "/abort$", refuse)
        (failed,) = self.introspect_badly(nodes, node_timeout=30)["failed"]
        self.assertNotIn("could not be stopped", failed["error"])
        self.assertEqual(3, len([one for one in self.asked(node) if one.endswith("/abort")]))

    def test_bounded(self):
        self.introspect(self.ironic.add_many(7), concurrency=2)
        self.assertEqual(2, self.inspector.most_under_way)

    def test_what_it_refuses(self):
        nodes = self.ironic.add_many(1)

        def refuse(_request, context):
            return json.dumps(self.inspector._refuse(context, 400, "no power interface"))

        self.inspector.on("POST", "/introspection/", refuse)
        (failed,) = self.introspect_badly(nodes)["failed"]
        self.assertIn("no power interface", failed["error"])

    @ddt.data("active", "available", "deploying", "rescue")
    def test_node_that_is_elsewhere_is_never_touched(self, state):
        node = self.ironic.add(provision_state=state)
        (failed,) = self.introspect_badly([node])["failed"]
        self.assertIn(f"it is {state}; only manageable", failed["error"])
        self.assertEqual([], self.asked())

    @ddt.data({"instance_uuid": "i"}, {"maintenance": True})
    def test_node_in_use_or_maintenance_is_never_touched(self, fields):
        node = self.ironic.add(**fields)
        self.introspect_badly([node])
        self.assertEqual([], self.asked())

    def test_somebody_else_has_begun_it(self):
        (node,) = nodes = self.ironic.add_many(1)
        self.cloud.inspector.introspect(node["uuid"])
        self.assertEqual(8, self.introspect(nodes)["introspected_nodes"][node["uuid"]]["cpus"])
        self.assertEqual(1, len(self.asked()))

    def test_statuses_in_pages(self):
        self.inspector.max_limit = 2
        nodes = self.ironic.add_many(5)
        self.introspect(nodes, concurrency=0)
        self.assertEqual(5, len(self.asked()))

    def test_it_does_not_answer_for_a_while(self):
        nodes = self.ironic.add_many(2)
        self.inspector.seconds = 30
        self.begin(nodes)
        self.step()
        self.inspector.is_down = self.fake.clock.now + 60
        self.assertEqual(2, self.end()["counts"]["succeeded"])
        self.assertEqual(2, len(self.asked()))

    def test_it_does_not_answer_any_more(self):
        nodes = self.ironic.add_many(2)
        self.inspector.seconds = math.inf
        self.begin(nodes)
        self.step()
        self.inspector.is_down = True
        details = self.end_badly()
        self.assertRegex(details["failed"][0]["error"], "^nothing more is known of it: .*inspector")

    @ddt.data(0, 100)
    def test_executor_dies_at_any_moment(self, seconds):
        executor = self.fake.executor
        for number in range(1, 100):
            for done in (False, True):
                self.ironic.nodes.clear()
                self.inspector.requests.clear()
                self.inspector.statuses.clear()
                self.fake.swift.containers.clear()
                nodes = self.ironic.add_many(2)
                executor.kill_at(number, done=done)
                try:
                    self.introspect(nodes)
                except fakes.Killed:
                    pass
                else:
                    self.assertGreater(number, 3)
                    return
                executor.revive()
                self.fake.clock.now += seconds
                self.assertEqual(2, self.introspect(nodes)["counts"]["succeeded"])
                begun = [uuid for uuid in self.asked() if uuid in self.inspector.statuses]
                # The one at which it died may not have come to anything.
                self.assertLessEqual(len(begun), 3)


class Choice(fake_ironic.WithIronic):
    def test_ironic_where_there_is_no_inspector(self):
        self.assertIs(introspection.IronicInspection, introspection.work_for(self.cloud))

    def test_inspector_where_there_is_one(self):
        fake = self.useFixture(fake_ironic.Cloud(has_inspector=True))
        self.assertIs(introspection.InspectorIntrospection, introspection.work_for(fake.open()))

    def test_inspector_of_another_region_knows_other_nodes(self):
        class Elsewhere(fake_ironic.Cloud):
            def token(self):
                token = super().token()
                token.add_service("baremetal-introspection").add_standard_endpoints(
                    public=INSPECTOR_URL, region="elsewhere"
                )
                return token

        cloud = self.useFixture(Elsewhere()).open(region_name="regionOne")
        self.assertIs(introspection.IronicInspection, introspection.work_for(cloud))

    def test_facts_of_a_node(self):
        node = self.ironic.add()
        self.ironic.inventories[node["uuid"]] = INVENTORY
        self.assertEqual(8, introspection.facts_of(self.cloud, node)["cpus"])

    def test_facts_that_only_ironic_has(self):
        fake = self.useFixture(fake_ironic.Cloud(has_inspector=True))
        node = fake.ironic.add()
        fake.ironic.inventories[node["uuid"]] = INVENTORY
        self.assertEqual(8, introspection.facts_of(fake.open(), node)["cpus"])
        fake.inspector.data[node["uuid"]] = {"inventory": {"cpu": {"count": 2}}}
        self.assertEqual(2, introspection.facts_of(fake.open(), node)["cpus"])

    def test_no_facts(self):
        node = self.ironic.add("node-0")
        error = self.assertRaises(
            exceptions.NodeStateInvalid, introspection.facts_of, self.cloud, node
        )
        self.assertEqual(
            f"Node node-0 (UUID {node['uuid']}) is without introspection data, so telling its "
            "hardware is not possible. Introspect it (tripleo.baremetal.v1.introspect).",
            error.message,
        )
