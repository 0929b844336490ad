"""OpenStack actions with a region, as users run them: against real services."""

import json
import uuid

from tests.functional import base

WORKFLOW = """
version: '2.0'
{name}:
  input: [container, action_region]
  output:
    names: <% $.names %>
    stack: <% $.stack %>
  tasks:
    put:
      action: openstack.swift.put_container
      input:
        container: <% $.container %>
        action_region: <% $.action_region %>
      on-success: list
    list:
      action: openstack.swift.get_account prefix=<% $.container %>
      publish:
        names: <% task().result.listing.select($.name) %>
      on-success: missing
    missing:
      action: openstack.heat.stacks_get stack_id=<% $.container %>
      publish-on-error:
        stack: <% task().result %>
      on-error: noop
"""


class GeneratedActions(base.FunctionalTestCase):
    def setUp(self):
        super().setUp()
        self.name = f"generated-{uuid.uuid4().hex[:12]}"

    def action(self, action, /, **inputs):
        """Run an action whose inputs may have any name."""
        execution = self.mistral.action_executions.create(
            action, input=inputs, run_sync=True, save_result=True
        )
        return execution.state, json.loads(execution.output)["result"]

    def run_action(self, action, /, **inputs):
        state, result = self.action(action, **inputs)
        self.assertEqual("SUCCESS", state, result)
        return result

    def fail_action(self, name, /, **inputs):
        state, error = self.action(name, **inputs)
        self.assertEqual("ERROR", state, error)
        self.assertEqual({"type", "message", "details"}, set(error))
        return error

    def test_the_real_command_runs_actions(self):
        for name in (
            "heat.stacks_list",
            "swift.get_account",
            "glance.images_list",
            "ironic.node_list",
            "keystone.projects_list",
            "mistral.environments_list",
        ):
            told = json.loads(self.command("mistral", "run-action", f"openstack.{name}"))
            self.assertIsInstance(told["result"], list | dict, told)
            self.assertNotIn("type", told["result"], told)

    def test_the_real_command_shows_actions(self):
        told = self.command("mistral", "action-get", "openstack.heat.stacks_list", "-f", "json")
        shown = json.loads(told)
        self.assertTrue(shown["Input"].endswith("action_region=null, cloud=null"), shown)
        self.assertIn("stacks.list", shown["Description"])
        listed = json.loads(self.command("mistral", "action-list", "-f", "json"))
        names = [action["Name"] for action in listed]
        self.assertIn("openstack.keystone.projects_list", names)
        self.assertEqual(len(set(names)), len(names))

    def test_inputs_are_checked_before_anything_runs(self):
        for inputs in ({}, {"stack_id": "a", "typo": 1}):
            told = self.command(
                "mistral",
                "run-action",
                "openstack.heat.stacks_get",
                json.dumps(inputs),
                check=False,
            )
            self.assertEqual("", told)
        state, error = self.action("openstack.heat.stacks_list", limit="many")
        self.assertEqual(("ERROR", "InputInvalid"), (state, error["type"]))

    def test_swift(self):
        self.addCleanup(self.remove_container, self.name)
        self.run_action("openstack.swift.put_container", container=self.name)
        for name, contents in (("a", "text ✓"), ("b", {"base64": "/wD/"}), ("c", "")):
            self.run_action(
                "openstack.swift.put_object", container=self.name, obj=name, contents=contents
            )
        found = self.run_action("openstack.swift.get_object", container=self.name, obj="a")
        self.assertEqual("text ✓", found["content"])
        self.assertEqual("8", found["headers"]["content-length"])
        found = self.run_action("openstack.swift.get_object", container=self.name, obj="b")
        self.assertEqual({"base64": "/wD/"}, found["content"])
        found = self.run_action("openstack.swift.get_container", container=self.name)
        self.assertEqual(["a", "b", "c"], [item["name"] for item in found["listing"]])
        found = self.run_action("openstack.swift.get_container", container=self.name, limit=2)
        self.assertEqual(["a", "b"], [item["name"] for item in found["listing"]])
        error = self.fail_action("openstack.swift.head_object", container=self.name, obj="x")
        self.assertEqual(("ServiceRefused", 404), (error["type"], error["details"]["status"]))
        self.run_action("openstack.swift.delete_object", container=self.name, obj="a")
        self.assertIn("swift", self.run_action("openstack.swift.get_capabilities"))

    def test_result_that_is_too_large_is_a_typed_error(self):
        self.addCleanup(self.remove_container, self.name)
        self.swift.put_container(self.name)
        self.swift.put_object(self.name, "large", b"x" * (2 << 20))
        error = self.fail_action("openstack.swift.get_object", container=self.name, obj="large")
        self.assertEqual("ResultTooLarge", error["type"])
        self.assertGreater(error["details"]["size"], error["details"]["limit"])
        # As large as it may be, it is kept.
        self.swift.put_object(self.name, "fits", b"x" * (1000 * 1024))
        found = self.run_action("openstack.swift.get_object", container=self.name, obj="fits")
        self.assertEqual(1000 * 1024, len(found["content"]))

    def remove_container(self, name):
        for item in self.swift.get_container(name)[1]:
            self.swift.delete_object(name, item["name"])
        self.swift.delete_container(name)

    def test_heat(self):
        template = {
            "heat_template_version": "2016-10-14",
            "parameters": {"word": {"type": "string"}},
            "outputs": {"said": {"value": {"get_param": "word"}}},
        }
        made = self.run_action(
            "openstack.heat.stacks_create",
            stack_name=self.name,
            template=template,
            parameters={"word": "ä"},
            timeout_mins=5,
        )
        stack = made["stack"]["id"]
        self.addCleanup(self.heat.stacks.delete, stack)
        shown = base.wait_for(
            lambda: (
                (found := self.run_action("openstack.heat.stacks_get", stack_id=stack))[
                    "stack_status"
                ]
                == "CREATE_COMPLETE"
                and found
            ),
            "the stack",
        )
        self.assertEqual("ä", shown["outputs"][0]["output_value"])
        self.assertEqual(set(), {key for key in shown if key.startswith("_") or key == "manager"})
        listed = self.run_action("openstack.heat.stacks_list", filters={"name": self.name})
        self.assertEqual([self.name], [found["stack_name"] for found in listed])
        self.assertEqual([], self.run_action("openstack.heat.resources_list", stack_id=stack))
        error = self.fail_action(
            "openstack.heat.stacks_create", stack_name=self.name, template=template
        )
        self.assertEqual("ServiceRefused", error["type"])

    def test_glance_pages_are_followed(self):
        made = [
            self.run_action(
                "openstack.glance.images_create",
                name=self.name,
                disk_format="raw",
                container_format="bare",
                properties={"number": str(number)},
            )
            for number in range(3)
        ]
        for image in made:
            self.addCleanup(self.action, "openstack.glance.images_delete", image_id=image["id"])
        filters = {"name": self.name}
        listed = self.run_action("openstack.glance.images_list", page_size=1, filters=filters)
        self.assertEqual({"0", "1", "2"}, {image["number"] for image in listed})
        listed = self.run_action("openstack.glance.images_list", limit=2, filters=filters)
        self.assertEqual(2, len(listed))
        shown = self.run_action("openstack.glance.images_get", image_id=made[0]["id"])
        self.assertEqual(made[0]["id"], shown["id"])
        self.assertIsNone(
            self.run_action(
                "openstack.glance.image_tags_update", image_id=shown["id"], tag_value="t"
            )
        )
        error = self.fail_action("openstack.glance.images_get", image_id=str(uuid.uuid4()))
        self.assertEqual(("ServiceRefused", "image"), (error["type"], error["details"]["service"]))

    def test_ironic(self):
        names = [f"{self.name}-{number}" for number in range(3)]
        for name in names:
            self.addCleanup(self.action, "openstack.ironic.node_delete", node_id=name)
            made = self.run_action("openstack.ironic.node_create", driver="redfish", name=name)
            self.assertEqual(("enroll", name), (made["provision_state"], made["name"]))
        listed = self.run_action("openstack.ironic.node_list", fields=["name"])
        self.assertLessEqual(set(names), {node["name"] for node in listed})
        patch = [{"op": "add", "path": "/extra/a", "value": 1}]
        changed = self.run_action("openstack.ironic.node_update", node_id=names[0], patch=patch)
        self.assertEqual({"a": 1}, changed["extra"])
        error = self.fail_action("openstack.ironic.node_get", node_id="nix")
        self.assertEqual(("ServiceRefused", 404), (error["type"], error["details"]["status"]))

    def test_keystone(self):
        listed = self.run_action("openstack.keystone.projects_list", name="admin")
        self.assertEqual(["admin"], [project["name"] for project in listed])
        regions = self.run_action("openstack.keystone.regions_list")
        self.assertEqual({"id", "description", "parent_region_id", "links"}, set(regions[0]))
        made = self.run_action("openstack.keystone.roles_create", name=self.name)
        self.assertEqual(self.name, made["name"])
        self.assertIsNone(self.run_action("openstack.keystone.roles_delete", role=made["id"]))
        error = self.fail_action("openstack.keystone.roles_get", role=made["id"])
        self.assertEqual(
            ("ServiceRefused", "identity"), (error["type"], error["details"]["service"])
        )

    def test_mistral(self):
        self.addCleanup(self.action, "openstack.mistral.environments_delete", name=self.name)
        self.run_action(
            "openstack.mistral.environments_create", name=self.name, variables={"a": [1]}
        )
        found = self.run_action("openstack.mistral.environments_get", name=self.name)
        self.assertEqual({"a": [1]}, json.loads(found["variables"]))
        found = self.run_action("openstack.mistral.workflows_list", limit=1)
        self.assertEqual(1, len(found))
        self.assertGreater(len(self.run_action("openstack.mistral.workflows_list")), 1)
        error = self.fail_action("openstack.mistral.workflows_create", definition="/etc/hostname")
        self.assertIn("'/etc/hostname' is not of type 'object'", error["message"])

    def test_region_and_cloud_are_checked(self):
        regions = [found["id"] for found in self.run_action("openstack.keystone.regions_list")]
        for region in regions:
            self.run_action("openstack.heat.stacks_list", action_region=region)
        error = self.fail_action("openstack.heat.stacks_list", action_region="nowhere")
        self.assertEqual("RegionNotFound", error["type"])
        self.assertEqual(sorted(regions), error["details"]["available"])
        error = self.fail_action("openstack.glance.images_list", cloud="nowhere")
        self.assertEqual("CloudNotFound", error["type"])
        error = self.fail_action("openstack.nova.servers_list")
        self.assertEqual("ServiceNotFound", error["type"])

    def test_workflow_uses_results_and_errors(self):
        region = self.run_action("openstack.keystone.regions_list")[0]["id"]
        self.addCleanup(self.mistral.workflows.delete, self.name)
        self.mistral.workflows.create(WORKFLOW.format(name=self.name))
        self.addCleanup(self.remove_container, self.plan)
        state, output = self.workflow(self.name, container=self.plan, action_region=region)
        self.assertEqual("SUCCESS", state, output)
        self.assertEqual([self.plan], output["names"])
        self.assertEqual("ServiceRefused", output["stack"]["type"])
