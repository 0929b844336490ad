import ddt

from tests.unit import test_plans
from tests.unit.test_plans import change, nothing
from tripleo_common import exceptions
from tripleo_common.plan import rendering, secrets
from tripleo_common.plan.candidate import Candidate


@ddt.ddt
class Candidates(test_plans.WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()
        self.rendered = []
        render = rendering.run

        def counted(files, **more):
            self.rendered.append(True)
            return render(files, **more)

        self.useFixture(
            test_plans.fixtures.MonkeyPatch("tripleo_common.plan.rendering.run", counted)
        )

    def candidate(self):
        return Candidate.of(self.plans.read("plan"))

    def test_unchanged_templates_are_not_rendered_again(self):
        self.set(A="a")
        candidate = self.candidate()
        candidate.files["note.txt"] = b"x"
        self.assertEqual([], self.rendered)
        candidate.finish()
        self.assertEqual([True], self.rendered)
        candidate.finish()
        self.assertEqual([True], self.rendered)

    def test_editing_a_candidate_leaves_the_state_that_it_was_made_of_alone(self):
        state = self.plans.read("plan")
        candidate = Candidate.of(state)
        candidate.variables["parameter_defaults"]["A"] = "a"
        candidate.variables["environments"].append({"path": "environments/ha.yaml"})
        candidate.files.clear()
        self.assertEqual({}, state.variables["parameter_defaults"])
        self.assertEqual([{"path": "registry.yaml"}], state.variables["environments"])
        self.assertEqual(test_plans.ALL, set(state.files.contents))

    def test_finishing_twice_gives_the_same(self):
        self.set(Hidden="canary", A="a")
        candidate = self.candidate()
        candidate.finish()
        first = dict(candidate.files), dict(candidate.variables)
        candidate.finish()
        self.assertEqual(first, (candidate.files, candidate.variables))

    def test_secrets_are_encrypted_anew_when_there_is_a_newer_key(self):
        self.set(Hidden="canary")
        old = self.variables["parameter_defaults"]["Hidden"]
        with open(self.use_keys_file()) as file:
            keys = file.read().split()
        new = test_plans.base.fernet.Fernet.generate_key().decode()
        self.use_keys(new, *keys)
        self.assertTrue(self.commit().changed)
        stored = self.variables["parameter_defaults"]["Hidden"]
        self.assertNotEqual(old, stored)
        self.use_keys(new)
        self.assertEqual("canary", secrets.Vault.from_options().decrypt(stored, "x"))

    def use_keys_file(self):
        return test_plans.base.config.options().encryption_keys_file

    def test_hidden_names_are_those_of_hidden_parameters_and_passwords(self):
        self.variables["passwords"] = {"P": "p"}
        candidate = self.candidate()
        candidate.finish()
        self.assertEqual({"Hidden", "P"}, candidate.hidden)

    @ddt.data({"plan_max_files": 5}, {"plan_max_mib": 1}, {"file_max_mib": 1})
    def test_candidate_that_would_be_too_large_is_refused(self, limits):
        self.set_options(**limits)
        before = self.state()

        def edit(candidate):
            candidate.files["large"] = b"x" * (2 * 2**20)

        self.assertRaises(
            exceptions.LimitExceeded, self.plans.change, "plan", change(), edit, nothing
        )
        self.assertEqual(before, self.state())

    def test_map_that_goes_takes_its_capabilities_along(self):
        del self.objects["capabilities-map.yaml"]
        self.commit()
        self.assertNotIn("capabilities", self.variables)
