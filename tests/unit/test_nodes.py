import threading

import ddt
import requests.exceptions
from ironicclient import exc as ironic_exc

from tests.unit import fake_ironic, fakes
from tests.unit.fake_ironic import CONDUCTOR, uuids
from tripleo_common import exceptions
from tripleo_common.baremetal import nodes


class Listed(fake_ironic.WithIronic):
    def test_all_in_one_request_with_the_fields_that_are_asked_for(self):
        made = self.ironic.add_many(30, last_error="why")
        found = nodes.listed(self.cloud, ("uuid", "last_error"))
        self.assertEqual([{"uuid": uuid, "last_error": "why"} for uuid in uuids(made)], found)
        self.assertEqual(1, len(self.ironic.requests))

    def test_one_request_for_each_page(self):
        self.ironic.max_limit = 10
        made = self.ironic.add_many(25)
        self.assertEqual(uuids(made), uuids(nodes.listed(self.cloud)))
        self.assertEqual((3, 1), (len(self.ironic.requests), self.ironic.looks))

    def test_what_is_filtered_is_so_on_every_page(self):
        self.ironic.max_limit = 3
        for state in ("manageable", "active", "available") * 4:
            self.ironic.add(provision_state=state)
            self.ironic.add(provision_state=state, maintenance=True)
        found = nodes.listed(
            self.cloud, ("name", "uuid"), provision_state="manageable", maintenance=False
        )
        wanted = [
            node["uuid"]
            for node in self.ironic.nodes.values()
            if node["provision_state"] == "manageable" and not node["maintenance"]
        ]
        self.assertEqual([{"name": None, "uuid": uuid} for uuid in wanted], found)

    def test_no_password_is_shown(self):
        info = {"redfish_password": "canary", "snmp_auth_key": "canary", "redfish_address": "a"}
        self.ironic.add(driver_info=info)
        self.assertNotIn("canary", str(nodes.listed(self.cloud, ("driver_info",))))


@ddt.ddt
class Find(fake_ironic.WithIronic):
    def test_names_and_uuids_in_their_order_each_once(self):
        first, second, third = self.ironic.add_many(3)
        names = [third["uuid"], "node-0", third["uuid"].upper(), "node-2", first["uuid"]]
        self.assertEqual(uuids([third, first]), uuids(nodes.find(self.cloud, names)))
        self.assertEqual(1, len(self.ironic.requests))
        self.assertEqual(uuids([second]), uuids(nodes.find(self.cloud, ("node-1",))))

    def test_all_that_are_not_there_are_told(self):
        self.ironic.add_many(2)
        missing = ["nobody", "node-1", "another"]
        error = self.assertRaises(exceptions.NodeNotFound, nodes.find, self.cloud, missing)
        self.assertEqual(["another", "nobody"], error.nodes)
        self.assertIn("another, nobody", error.message)

    def test_fields_that_are_asked_for_and_who_it_is(self):
        made = self.ironic.add("a", properties={"cpus": 4})
        (found,) = nodes.find(self.cloud, ["a"], ("properties",))
        wanted = {"uuid": made["uuid"], "name": "a", "properties": {"cpus": 4}}
        self.assertEqual(wanted, found)

    @ddt.data(None, [], "node-0", 7, {"node-0": 1}, [None], [7], [""], [["node-0"]], [{}], [True])
    def test_what_is_no_list_of_names(self, names):
        error = self.assertRaises(
            exceptions.InputInvalid, nodes.find, self.cloud, names, what="node_uuid"
        )
        self.assertEqual("node_uuid", error.name)
        self.assertEqual([], self.ironic.requests)


@ddt.ddt
class Chosen(fake_ironic.WithIronic):
    def test_manageable_ones_that_are_nobodys(self):
        wanted = self.ironic.add_many(2)
        self.ironic.add(maintenance=True)
        self.ironic.add(instance_uuid="instance-1")
        for state in ("enroll", "available", "active", "inspect failed"):
            self.ironic.add(provision_state=state)
        self.assertEqual(uuids(wanted), uuids(nodes.chosen(self.cloud, "manageable")))
        self.assertEqual(1, len(self.ironic.requests))

    def test_there_is_none(self):
        self.ironic.add(provision_state="active")
        error = self.assertRaises(
            exceptions.NoManageableNode, nodes.chosen, self.cloud, "manageable"
        )
        self.assertIn("no manageable node", error.message)

    @ddt.data(None, [], "", "all", "node-0", {})
    def test_what_nobody_has_said_is_not_all_of_them(self, names):
        self.ironic.add("node-0")
        error = self.assertRaises(exceptions.InputInvalid, nodes.chosen, self.cloud, names)
        self.assertEqual("node_uuids", error.name)
        self.assertEqual([], self.ironic.requests)

    def test_those_that_are_named_whatever_their_state(self):
        node = self.ironic.add("a", provision_state="active", properties={"cpus": 4})
        (found,) = nodes.chosen(self.cloud, ["a"], ("properties",))
        self.assertEqual((node["uuid"], {"cpus": 4}), (found["uuid"], found["properties"]))


@ddt.ddt
class Patience(fake_ironic.WithIronic):
    def setUp(self):
        super().setUp()
        self.node = self.ironic.add("a")

    def change(self):
        patch = [{"op": "add", "path": "/extra/k", "value": 1}]
        return nodes.change(self.cloud, self.node["uuid"], patch)

    def test_locked_node_is_tried_again(self):
        self.ironic.lock(self.node, 20)
        self.assertEqual({"k": 1}, self.change().extra)
        self.assertEqual({"k": 1}, self.node["extra"])
        self.assertGreater(len(self.ironic.requests), 2)
        self.assertEqual(sum(self.fake.clock.pauses) + 1000, self.fake.clock.now)
        self.assertLess(max(self.fake.clock.pauses), 6)

    def test_who_locks_it_is_told_when_patience_ends(self):
        self.set_options(baremetal_patience=30)
        self.ironic.lock(self.node)
        error = self.assertRaises(ironic_exc.Conflict, self.change)
        self.assertIn(CONDUCTOR, str(error))
        self.assertAlmostEqual(1030, self.fake.clock.now)

    def test_no_patience_is_one_request(self):
        self.set_options(baremetal_patience=0)
        self.ironic.lock(self.node)
        self.assertRaises(ironic_exc.Conflict, self.change)
        self.assertEqual(1, len(self.ironic.requests))

    def test_nobody_answers_for_a_while(self):
        self.ironic.is_down = 1010
        self.change()
        self.assertEqual({"k": 1}, self.node["extra"])

    def test_answer_that_is_lost(self):
        self.ironic.lose_answer("PATCH", "^/v1/nodes/")
        self.change()
        self.assertEqual(2, self.ironic.count("PATCH"))

    @ddt.data(400, 404, 409, 500)
    def test_what_does_not_pass_is_raised_at_once(self, status):
        self.ironic.fail("PATCH", "^/v1/nodes/", status)
        error = self.assertRaises(ironic_exc.HttpError, self.change)
        self.assertEqual((status, 1), (error.http_status, len(self.ironic.requests)))

    @ddt.data(502, 503, 504)
    def test_what_passes(self, status):
        answers = [status, status]

        def answer(_request, context):
            if answers:
                context.status_code = answers.pop()
                return ""
            return None

        self.ironic.on("PATCH", "^/v1/nodes/", answer)
        self.change()
        self.assertEqual(3, self.ironic.count("PATCH"))

    def test_errors_that_are_no_clients(self):
        self.assertFalse(nodes.temporary(ValueError("is locked by host")))
        self.assertTrue(nodes.temporary(requests.exceptions.ConnectionError("x")))


class Each(fake_ironic.WithIronic):
    def test_results_in_order_and_one_that_fails_stops_no_other(self):
        def work(number):
            if number == 2:
                raise ironic_exc.BadRequest("not so")
            if number == 3:
                raise exceptions.NodeNotFound(["x"])
            return number * 10

        found = dict(nodes.each(self.cloud, range(5), work))
        self.assertEqual([0, 10, 40], [found[0], found[1], found[4]])
        self.assertIsInstance(found[2], exceptions.ServiceRefused)
        self.assertIn("not so", found[2].message)
        self.assertIsInstance(found[3], exceptions.NodeNotFound)
        self.assertEqual([0, 1, 2, 3, 4], list(found))

    def test_faults_of_ours_are_in_the_log_alone(self):
        ((_, error),) = nodes.each(self.cloud, [1], lambda _: {}["secret-thing"])
        self.assertIsInstance(error, exceptions.InternalError)
        self.assertNotIn("secret-thing", error.message)
        self.assertIn("KeyError: 'secret-thing'", self.log.output)

    def test_so_many_at_a_time_as_configured(self):
        self.set_options(baremetal_threads=3)
        together, lock = threading.Barrier(3), threading.Lock()
        at_work, most = [], []

        def work(number):
            with lock:
                at_work.append(number)
                most.append(len(at_work))
            # Passes only if three are there.
            together.wait(timeout=20)
            with lock:
                at_work.remove(number)

        nodes.each(self.cloud, range(9), work)
        self.assertEqual(3, max(most))

    def get_each(self, made):
        """Ask for nodes, one after the other; return what came of each."""
        self.set_options(baremetal_threads=1, baremetal_patience=100)
        cloud = self.cloud

        def get(node):
            return nodes.patiently(cloud, lambda: cloud.ironic.node.get(node["uuid"]).name)

        return [found for _, found in nodes.each(cloud, made, get)]

    def test_ironic_that_is_away_is_not_waited_for_again_for_each(self):
        self.ironic.is_down = True
        found = self.get_each(self.ironic.add_many(50))
        self.assertEqual({exceptions.ServiceUnavailable}, {type(error) for error in found})
        self.assertAlmostEqual(1100, self.fake.clock.now)

    def test_ironic_that_answers_again_is_waited_for_again(self):
        first, second, third = self.ironic.add_many(3)
        self.ironic.refuse("GET", f"/{first['uuid']}", 503, "busy")
        self.ironic.refuse("GET", f"/{third['uuid']}", 503, "busy", times=2)
        found = self.get_each([first, second, third])
        self.assertIsInstance(found[0], exceptions.ServiceUnavailable)
        self.assertEqual(["node-1", "node-2"], found[1:])

    def test_death_of_the_executor_is_no_result(self):
        def work(_):
            raise fakes.Killed

        self.assertRaises(fakes.Killed, nodes.each, self.cloud, [1, 2], work)

    def test_nothing_to_do(self):
        self.assertEqual([], nodes.each(self.cloud, [], str))


@ddt.ddt
class Words(fake_ironic.WithIronic):
    def test_failures_are_bounded(self):
        node = {"uuid": "1", "name": "a", "driver_info": {"password": "canary"}}
        self.assertEqual({"uuid": "1", "name": "a", "error": "why"}, nodes.failed(node, "why"))
        error = exceptions.ServiceRefused("baremetal", 400, "x" * 5000)
        self.assertEqual(1000, len(nodes.failed(node, error)["error"]))
        self.assertEqual({"uuid": None, "name": None, "error": "w"}, nodes.failed({}, "w"))

    @ddt.data(
        ({}, None),
        ({"maintenance": False, "instance_uuid": None}, None),
        ({"maintenance": True, "maintenance_reason": None}, "is in maintenance; take"),
        ({"maintenance": True, "maintenance_reason": "fan"}, r"is in maintenance \(fan\); take"),
        ({"instance_uuid": "i-1"}, "is in use by instance i-1"),
    )
    @ddt.unpack
    def test_what_may_be_moved(self, node, wanted):
        reason = nodes.free_to_move(node)
        if wanted is None:
            self.assertIsNone(reason)
        else:
            self.assertRegex(reason, wanted)

    @ddt.data(((), ""), (("a", "b c"), "/a/b c"), (("a~b", "c/d"), "/a~0b/c~1d"))
    @ddt.unpack
    def test_pointer(self, words, wanted):
        self.assertEqual(wanted, nodes.pointer(*words))
