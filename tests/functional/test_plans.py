"""Plans from creation to deletion, on real services."""

import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

from tests.functional import base


class TestPlanLife(base.FunctionalTestCase):
    def test_an_uploaded_plan_is_created_changed_deployed_updated_and_deleted(self):
        self.upload(base.PLAN)
        created = self.run_workflow(
            "tripleo.plan_management.v1.create_deployment_plan", container=self.plan
        )
        self.assertEqual("Plan created.", created["message"])
        self.assertIn(self.plan, self.run_action("tripleo.plan.list"))
        self.assertIn(
            self.plan, self.run_workflow("tripleo.plan_management.v1.list_plans")["plans"]
        )
        self.assertEqual(
            ["Alpha", "Beta"], self.run_action("tripleo.role.list", container=self.plan)
        )
        processed = self.run_action("tripleo.templates.process", container=self.plan)
        stored = self.swift.get_object(self.plan, "overcloud.yaml")[1]
        self.assertEqual({"overcloud.yaml": len(stored)}, processed["files"])

        self.run_action("tripleo.parameters.update", container=self.plan, parameters={"Size": 2})
        deployed = self.run_workflow(
            "tripleo.deployment.v1.deploy_plan", container=self.plan, timeout=10
        )
        self.assertEqual("CREATE_COMPLETE", deployed["stack_status"])
        self.assertEqual("2", str(self.stack(self.plan).outputs[0]["output_value"]))

        # In use, it stays.
        state, result = self.action("tripleo.plan.delete", container=self.plan)
        self.assertEqual(("ERROR", "StackInUse"), (state, result["type"]))
        self.assertIn(self.plan, self.containers())

        # A role less: its rendered parts and its servers go.
        self.swift.put_object(self.plan, "roles_data.yaml", "- name: Alpha\n")
        self.run_action("tripleo.parameters.update", container=self.plan, parameters={"Size": 3})
        self.run_workflow("tripleo.plan_management.v1.update_deployment_plan", container=self.plan)
        updated = self.run_workflow(
            "tripleo.deployment.v1.deploy_plan", container=self.plan, timeout=10
        )
        self.assertEqual("UPDATE_COMPLETE", updated["stack_status"])
        self.assertEqual("3", str(self.stack(self.plan).outputs[0]["output_value"]))
        names = [r.resource_name for r in self.heat.resources.list(self.plan)]
        self.assertEqual(["Alpha"], names)

        self.run_workflow("tripleo.stack.v1.delete_stack", stack=self.plan)
        self.run_workflow("tripleo.plan_management.v1.delete_deployment_plan", container=self.plan)
        self.assert_nothing_left()

    def test_the_default_plan_deploys_and_its_outputs_name_hosts_roles_and_endpoints(self):
        self.run_workflow(
            "tripleo.plan_management.v1.create_default_deployment_plan", container=self.plan
        )
        roles = self.run_action("tripleo.role.list", container=self.plan)
        self.assertEqual(["Controller", "Compute", "Mistral"], roles)
        self.run_action(
            "tripleo.parameters.update", container=self.plan, parameters={"ComputeCount": 2}
        )
        self.run_workflow("tripleo.deployment.v1.deploy_plan", container=self.plan, timeout=20)
        outputs = {o["output_key"]: o["output_value"] for o in self.stack(self.plan).outputs}
        self.assertEqual(
            ["Compute", "Compute", "Controller", "Mistral"],
            sorted(host["role"] for host in outputs["hosts"].values()),
        )
        self.assertEqual(set(roles), set(outputs["roles"]))
        self.assertIn("keystone", " ".join(outputs["endpoints"]).lower())
        # The largest record of all this stays small.
        for execution in self.mistral.executions.list():
            self.assertLess(len(self.mistral.executions.get(execution.id).output), 64 * 1024)
        self.run_workflow("tripleo.stack.v1.delete_stack", stack=self.plan)
        self.run_action("tripleo.plan.delete", container=self.plan)
        self.assert_nothing_left()

    def test_the_default_plan_is_created_by_either_workflow(self):
        self.run_workflow(
            "tripleo.plan_management.v1.create_deployment_plan",
            container=self.plan,
            use_default_templates=True,
        )
        self.assertIn(self.plan, self.run_action("tripleo.plan.list"))

    def test_update_keeps_chosen_environments_and_parameters(self):
        self.upload({**base.PLAN, "extra.yaml": "parameter_defaults: {Size: 5}\n"})
        self.run_workflow("tripleo.plan_management.v1.create_deployment_plan", container=self.plan)
        variables = self.mistral.environments.get(self.plan).variables
        variables["environments"].append({"path": "extra.yaml"})
        variables["parameter_defaults"] = {"Size": 6}
        self.mistral.environments.update(name=self.plan, variables=json.dumps(variables))
        self.run_workflow("tripleo.plan_management.v1.update_deployment_plan", container=self.plan)
        after = self.mistral.environments.get(self.plan).variables
        self.assertEqual([{"path": "registry.yaml"}, {"path": "extra.yaml"}], after["environments"])
        self.assertEqual({"Size": 6}, after["parameter_defaults"])

    def test_a_rendered_file_that_nothing_renders_any_more_goes(self):
        role = {"servers/x.role.j2.yaml": "heat_template_version: 2021-04-16\n# {{role.name}}\n"}
        self.upload({**base.PLAN, **role})
        self.run_workflow("tripleo.plan_management.v1.create_deployment_plan", container=self.plan)
        paths = {o["name"] for o in self.swift.get_container(self.plan)[1]}
        self.assertIn("servers/beta-x.yaml", paths)
        self.swift.put_object(self.plan, "roles_data.yaml", "- name: Alpha\n")
        self.run_action("tripleo.templates.process", container=self.plan)
        paths = {o["name"] for o in self.swift.get_container(self.plan)[1]}
        self.assertNotIn("servers/beta-x.yaml", paths)
        self.assertIn("servers/alpha-x.yaml", paths)


class TestAsANewUser(base.FunctionalTestCase):
    """Only the real commands."""

    def test_mistral_execution_create_deploys_a_plan(self):
        def execute(workflow, **inputs):
            started = json.loads(
                self.command(
                    "mistral", "execution-create", workflow, json.dumps(inputs), "-f", "json"
                )
            )

            def finished():
                shown = self.command("mistral", "execution-get", started["ID"], "-f", "json")
                execution = json.loads(shown)
                return execution if execution["State"] not in ("RUNNING", "IDLE") else None

            execution = base.wait_for(finished, workflow)
            output = self.command("mistral", "execution-get-output", started["ID"])
            self.assertEqual("SUCCESS", execution["State"], output)
            return json.loads(output)

        with tempfile.TemporaryDirectory() as directory:
            for path, content in base.PLAN.items():
                file = Path(directory, path)
                file.parent.mkdir(exist_ok=True)
                file.write_text(content)
            inputs = json.dumps({"container": self.plan})
            self.command("mistral", "run-action", "tripleo.plan.create_container", inputs)
            uploads = [str(p) for p in Path(directory).iterdir()]
            here = Path.cwd()
            os.chdir(directory)
            try:
                self.command("swift", "upload", self.plan, *[Path(u).name for u in uploads])
            finally:
                os.chdir(here)
        execute("tripleo.plan_management.v1.create_deployment_plan", container=self.plan)
        execute("tripleo.deployment.v1.deploy_plan", container=self.plan, timeout=10)
        listed = self.command("openstack", "stack", "list", "-f", "value", "-c", "Stack Name")
        self.assertIn(self.plan, listed)
        execute("tripleo.stack.v1.delete_stack", stack=self.plan)
        execute("tripleo.plan_management.v1.delete_deployment_plan", container=self.plan)
        self.assert_nothing_left()

    def test_run_action_without_options_can_use_plan_environments(self):
        """The synchronous form, in which an action that calls Mistral must not wait for itself."""
        shown = json.loads(self.command("mistral", "run-action", "tripleo.plan.list"))
        self.assertIsInstance(shown["result"], list)
        wrong = json.dumps({"container": "no-such-plan"})
        shown = json.loads(
            self.command("mistral", "run-action", "tripleo.templates.process", wrong)
        )
        self.assertEqual("PlanNotFound", shown["result"]["type"])

    def test_env_is_all_that_a_shell_needs(self):
        directory = shlex.quote(str(self.undercloud.directory.root))
        program = shlex.quote(str(base.PROGRAMS / "tripleo-undercloud"))
        script = f'eval "$({program} env --state-dir {directory})"; mistral workflow-list -f value'
        with tempfile.TemporaryDirectory() as home:
            listed = self.command_in_shell(script, home)
        self.assertIn("tripleo.deployment.v1.deploy_plan", listed)

    def command_in_shell(self, script, home):
        """Run a script in a shell that knows nothing but the system's own commands."""
        import subprocess

        result = subprocess.run(
            [shutil.which("bash"), "-c", script],
            env={"PATH": "/usr/bin:/bin", "HOME": home},
            capture_output=True,
            text=True,
            timeout=base.SECONDS,
            check=False,
        )
        self.assertEqual(0, result.returncode, result.stderr)
        return result.stdout
