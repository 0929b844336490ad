import copy
import io
import json
import tarfile

import ddt
import fixtures
import yaml
from cryptography import fernet

from tests.unit import fake_heat
from tripleo_common import exceptions
from tripleo_common.plan import changes, history, lock, secrets, settings, tarball

CANARY = "canary-51b7e0c4"
PASSPHRASE = "a passphrase to carry"
WRONG = (None, "1", 1.5, [], {}, True, "")


class WithHistory(fake_heat.WithPlan):
    """Revision 1: made. 2: parameters, one of them secret. 3: files. 4: environments."""

    def setUp(self):
        super().setUp()
        self.make_plan()
        self.set({"Debug": True, "LicenseKey": CANARY, "ComputeCount": 3})
        self.write("environments/extra.yaml", "parameter_defaults: {}\n# more\n")
        self.choose({"environments/vlan.yaml": True})
        self.forget()

    def set(self, values, **more):
        return settings.update_parameters(
            self.plans, "plan", values, self.change(**more), validate=False
        )

    def choose(self, environments):
        return settings.update_capabilities(self.plans, "plan", environments, self.change())

    def content(self):
        """Return what a plan is, secrets opened."""
        state = self.plans.read("plan")
        return state.files.contents, self.given(), state.variables["environments"]


class History(WithHistory):
    def history(self, **more):
        return history.history(self.plans, "plan", **more)

    def test_newest_first_with_who_when_why_and_what(self):
        self.set({"Zone": "here"}, reason="they asked", execution="e1")
        found = self.history()
        self.assertEqual([5, 4, 3, 2, 1], [entry["revision"] for entry in found])
        first = found[0]
        self.assertEqual(
            ("admin", "they asked", "tripleo.test", "e1", False),
            tuple(first[key] for key in ("user", "reason", "action", "execution", "deployed")),
        )
        self.assertRegex(first["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
        self.assertEqual({"parameter_defaults": {"added": ["Zone"]}}, first["what"])
        self.assertEqual(["environments/vlan.yaml"], found[1]["what"]["environments"]["added"])
        self.assertEqual(["environments/extra.yaml"], found[2]["what"]["files"]["changed"]["paths"])
        self.assertEqual(
            ["ComputeCount", "Debug", "LicenseKey"], found[3]["what"]["parameter_defaults"]["added"]
        )
        self.assertEqual(["AdminPassword"], found[4]["what"]["passwords"]["added"])

    def test_no_value_is_told(self):
        self.assertNotIn(CANARY, json.dumps(self.history()))
        self.assertNotIn("encrypted:", json.dumps(self.history()))

    def test_limit(self):
        self.assertEqual([4, 3], [entry["revision"] for entry in self.history(limit=2)])
        self.assertEqual(4, len(self.history(limit=10**9)))

    def test_limit_of_the_wrong_kind_is_refused(self):
        for limit in (*WRONG, 0, -1):
            with self.subTest(limit=limit):
                error = self.assertRaises(exceptions.InputInvalid, self.history, limit=limit)
                self.assertEqual("limit", error.name)

    def test_deployed_ones_are_marked(self):
        self.plans.open("plan").archive.mark_deployed(3, {})
        self.assertEqual(
            {3: True, 4: False, 2: False, 1: False},
            {e["revision"]: e["deployed"] for e in self.history()},
        )

    def test_pruned_ones_are_gone_and_the_deployed_one_stays(self):
        self.plans.open("plan").archive.mark_deployed(2, {})
        self.set_options(revisions_kept=2)
        self.set({"Zone": "here"})
        self.assertEqual([5, 4, 2], [entry["revision"] for entry in self.history()])

    def test_damaged_record_is_left_out(self):
        for content in (b"", b"{", b"[]", b"{}", b"null", b'{"revision": 3}'):
            self.swift.containers["plan.revisions"]["revisions/00000003.json"] = content
            self.assertEqual([4, 2, 1], [entry["revision"] for entry in self.history()], content)

    def test_plan_that_a_client_made_has_no_past(self):
        self.swift.containers["theirs"] = {"overcloud.yaml": b"heat_template_version: 2016-10-14\n"}
        self.mistral.environments["theirs"] = {"template": "overcloud.yaml", "environments": []}
        self.assertEqual([], history.history(self.plans, "theirs"))
        self.assertEqual(0, history.show(self.plans, "theirs")["revision"])
        found = history.diff(self.plans, "theirs")
        self.assertIn("overcloud.yaml", [entry["path"] for entry in found["files"]])
        error = self.assertRaises(
            exceptions.RevisionNotFound, history.rollback, self.plans, "theirs", 1, self.change()
        )
        self.assertEqual([], error.available)

    def test_answer_fits_into_a_record(self):
        names = {
            f"environments/of/a/long/name/that/takes/room/{n:05}.yaml": "a: 1\n" for n in range(50)
        }

        def add(candidate):
            candidate.files.update(fake_heat.encoded(names))
            candidate.variables["environments"] += [{"path": path} for path in names]

        def drop(candidate):
            candidate.variables["environments"] = candidate.variables["environments"][:1]

        for _ in range(6):
            self.edit(add)
            self.edit(drop)
        content = json.dumps(self.history(limit=100))
        self.assertTrue(len(content) < 64 * 1024, len(content))

    def test_plan_that_is_not_there(self):
        for ask in (history.history, history.show, history.diff, history.export):
            self.assertRaises(exceptions.PlanNotFound, ask, self.plans, "nothing")


class Show(WithHistory):
    def show(self):
        return history.show(self.plans, "plan")

    def test_everything_that_a_plan_is(self):
        shown = self.show()
        files = self.plans.read("plan").files.contents
        self.assertEqual(
            {
                "name": "plan",
                "revision": 4,
                "problem": None,
                "template": "overcloud.yaml",
                "environments": ["registry.yaml", "environments/vlan.yaml"],
                "conflicts": [],
                "roles": ["Controller", "Compute"],
                "parameters": {"Debug": True, "ComputeCount": 3, "LicenseKey": secrets.MASK},
                "passwords": ["AdminPassword"],
                "files": len(files),
                "bytes": sum(map(len, files.values())),
                "uncommitted": {"files": [], "environment": False},
                "synced": True,
                "lock": None,
                "deployed": None,
                "placements": [
                    {
                        "name": "regionOne",
                        "cloud": None,
                        "region": "regionOne",
                        "revision": 4,
                        "stale": False,
                        "uncommitted": {"files": [], "environment": False},
                        "synced": True,
                        "deployed": None,
                        "problem": None,
                        "parameters": {},
                    }
                ],
            },
            shown,
        )
        self.assertNotIn(CANARY, json.dumps(shown))

    def test_direct_writes_are_told(self):
        self.objects["environments/mine.yaml"] = b"x: 1\n"
        del self.objects["logo.png"]
        self.variables["parameter_defaults"]["LicenseKey"] = CANARY
        shown = self.show()
        self.assertEqual(
            {"files": ["environments/mine.yaml", "logo.png"], "environment": True},
            shown["uncommitted"],
        )
        self.assertNotIn(CANARY, json.dumps(shown))

    def test_environments_that_a_client_wrote_against_the_rules_are_told(self):
        self.variables["environments"] = [
            {"path": "registry.yaml"},
            {"path": "environments/flat.yaml"},
            {"path": "environments/vlan.yaml"},
        ]
        (told,) = self.show()["conflicts"]
        self.assertIn("environments/flat.yaml", told)

    def test_lock_is_told(self):
        with lock.hold(self.plans.home, "plan", self.change(reason="a long change")):
            held = self.show()["lock"]
        self.assertEqual(("admin's tripleo.test", "a long change"), (held["owner"], held["reason"]))
        self.assertEqual({"owner", "reason", "since", "age"}, set(held))
        self.assertIsNone(self.show()["lock"])

    def test_lock_that_somebody_else_wrote_is_no_obstacle(self):
        for content in ({}, {"since": "yesterday"}, {"since": 5, "owner": None}, {"expires": []}):
            self.mistral.environments["plan.lock"] = content
            with self.subTest(content=content):
                json.dumps(self.show())

    def test_deployed_revision_is_told_as_long_as_there_is_a_stack(self):
        self.plans.open("plan").archive.mark_deployed(2, {})
        self.assertIsNone(self.show()["deployed"])
        self.cloud.heat.add("plan", "CREATE_COMPLETE")
        self.assertEqual(2, self.show()["deployed"])

    def test_plan_that_was_broken_directly_is_shown_with_what_is_wrong(self):
        self.objects["overcloud.j2.yaml"] = b"{% for"
        with lock.hold(self.plans.home, "plan", changes.Change("tripleo.plan.update", user="ann")):
            shown = self.show()
        self.assertIn("overcloud.j2.yaml", shown["problem"])
        self.assertEqual(4, shown["revision"])
        self.assertIn("ann", shown["lock"]["owner"])
        self.assertEqual(["overcloud.j2.yaml"], shown["uncommitted"]["files"])
        self.assertNotIn("parameters", shown)

    def test_inline_environments_are_not_shown(self):
        self.variables["environments"].append({"data": {"parameter_defaults": {"X": CANARY}}})
        self.assertEqual("(inline)", self.show()["environments"][-1])
        self.assertNotIn(CANARY, json.dumps(self.show()))


@ddt.ddt
class Diff(WithHistory):
    def diff(self, *revisions, **more):
        return history.diff(self.plans, "plan", *revisions, **more)

    def test_without_numbers_it_is_the_last_change(self):
        found = self.diff()
        self.assertEqual((3, "now"), (found["from"], found["to"]))
        self.assertEqual(["environments/vlan.yaml"], found["environments"]["added"])
        self.assertEqual([], found["files"])

    def test_without_numbers_it_is_what_is_not_committed_if_there_is_such(self):
        self.objects["environments/extra.yaml"] = b"parameter_defaults: {}\n# mine\n"
        self.variables["parameter_defaults"]["Zone"] = "here"
        found = self.diff()
        self.assertEqual((4, "now"), (found["from"], found["to"]))
        self.assertIn("-# more\n+# mine\n", found["files"][0]["diff"])
        self.assertEqual({"Zone": {"to": "here"}}, found["parameters"])
        self.assertEqual([], self.diff(3, 4)["files"])

    def test_between_two_revisions(self):
        found = self.diff(1, 4)
        self.assertEqual(["environments/extra.yaml"], [f["path"] for f in found["files"]])
        self.assertEqual(
            {"ComputeCount": {"to": 3}, "Debug": {"to": True}, "LicenseKey": "changed"},
            found["parameters"],
        )
        back = self.diff(4, 1)
        self.assertEqual({"from": 3}, back["parameters"]["ComputeCount"])
        self.assertEqual((4, 1), (back["from"], back["to"]))

    def test_only_the_later_one(self):
        found = self.diff(None, 3)
        self.assertEqual((2, 3), (found["from"], found["to"]))
        self.assertEqual(["environments/extra.yaml"], [f["path"] for f in found["files"]])

    def test_first_revision_is_compared_with_nothing(self):
        found = self.diff(None, 1)
        self.assertEqual({"added"}, {entry["change"] for entry in found["files"]})
        self.assertEqual({"AdminPassword": "added"}, found["passwords"])

    def test_same_revision_twice_is_no_difference(self):
        found = self.diff(2, 2)
        self.assertEqual(([], {}, {}), (found["files"], found["parameters"], found["environments"]))

    def test_secret_that_changes_is_only_said_to(self):
        self.set({"LicenseKey": CANARY + "-other"})
        found = self.diff()
        self.assertEqual({"LicenseKey": "changed"}, found["parameters"])
        self.assertNotIn("canary", json.dumps(found))
        self.assertNotIn("encrypted:", json.dumps(found))

    def test_secret_in_a_file_that_a_client_uploads_is_not_shown(self):
        self.objects["user-files/secrets.yaml"] = (
            f"parameter_defaults:\n  LicenseKey: {CANARY}\n".encode()
        )
        found = self.diff()
        self.assertEqual(["user-files/secrets.yaml"], [f["path"] for f in found["files"]])
        self.assertNotIn(CANARY, json.dumps(found))
        self.edit(lambda _: None)
        self.assertNotIn(CANARY, json.dumps(self.diff(4, 5)))

    def test_binary_file_is_only_named(self):
        self.write("logo.png", b"\x89PNG\xfe")
        (entry,) = self.diff()["files"]
        self.assertEqual(
            ("logo.png", "changed", None), tuple(entry[k] for k in ("path", "change", "diff"))
        )

    def test_answer_fits_into_a_record(self):
        def edit(candidate):
            for number in range(500):
                candidate.files[f"a/rather/long/path/{number}.yaml"] = b"a: 1\n" * 40
            candidate.variables["parameter_defaults"]["Options"] = {
                str(n): "ä" * 100 for n in range(100)
            }

        self.edit(edit)
        found = self.diff()
        self.assertTrue(found["truncated"])
        self.assertTrue(len(json.dumps(found)) < 60 * 1024)

    def test_paths_restrict(self):
        self.write("a/b.yaml", "x: 1\n")
        self.assertEqual(["a/b.yaml"], [f["path"] for f in self.diff(4, paths=["a"])["files"]])
        self.assertEqual([], self.diff(4, paths=["b"])["files"])

    def test_unknown_revision_names_those_that_are_kept(self):
        for numbers in ((9,), (None, 9), (1, 9), (-1,), (10**30,)):
            error = self.assertRaises(exceptions.RevisionNotFound, self.diff, *numbers)
            self.assertEqual([1, 2, 3, 4], error.available)

    def test_pruned_revision_names_those_that_are_kept(self):
        self.set_options(revisions_kept=2)
        self.set({"Zone": "here"})
        error = self.assertRaises(exceptions.RevisionNotFound, self.diff, 1)
        self.assertEqual([4, 5], error.available)
        self.assertIn("revisions_kept", error.message)

    def test_wrong_types_are_refused(self):
        for value in ("1", 1.5, [], {}, True, "", [1]):
            with self.subTest(value=value):
                self.assertRaises(exceptions.InputInvalid, self.diff, value)
                self.assertRaises(exceptions.InputInvalid, self.diff, 1, value)
        for value in ("a", 5, {}, True, "", [1], [None], {"a": 1}):
            with self.subTest(paths=value):
                error = self.assertRaises(exceptions.InputInvalid, self.diff, paths=value)
                self.assertEqual("paths", error.name)

    def test_damaged_files_of_a_revision_are_told(self):
        stored = self.swift.containers["plan.revisions"]
        record = json.loads(stored["revisions/00000001.json"])
        stored[f"files/{record['files']}.tar.gz"] = b"damaged"
        self.start_executor()
        error = self.assertRaises(exceptions.RevisionCorrupt, self.diff, 1, 4)
        self.assertEqual(1, error.revision)


class Rollback(WithHistory):
    def rollback(self, revision, **more):
        return history.rollback(self.plans, "plan", revision, self.change(**more))

    def test_new_revision_equals_the_old_one(self):
        self.rollback(2)
        at_two = self.content()
        self.assertEqual(5, self.revision())
        committed, told = self.rollback(4)
        self.assertEqual(
            (6, True, True, []), (committed.revision, committed.changed, committed.synced, told)
        )
        self.assertEqual(CANARY, self.given()["LicenseKey"])
        found = history.diff(self.plans, "plan", 4, 6)
        self.assertEqual(
            ([], {}, {}, {}),
            tuple(found[key] for key in ("files", "parameters", "environments", "passwords")),
        )
        self.rollback(2)
        self.assertEqual(at_two, self.content())
        self.assertEqual(at_two[0], dict(self.objects))

    def test_secrets_and_passwords_go_back_as_well(self):
        before = settings.get_passwords(self.plans, "plan", reveal=True)
        settings.generate_passwords(self.plans, "plan", self.change(), rotate=True)
        self.set({"LicenseKey": "other"})
        self.rollback(4)
        self.assertEqual(before, settings.get_passwords(self.plans, "plan", reveal=True))
        self.assertEqual(CANARY, self.given()["LicenseKey"])

    def test_back_to_the_present_is_no_new_revision(self):
        before = self.state()
        committed, told = self.rollback(4)
        self.assertEqual((4, False, []), (committed.revision, committed.changed, told))
        self.assertEqual(before, self.state())

    def test_present_with_direct_writes_is_left_behind(self):
        before = self.content()
        self.objects["environments/mine.yaml"] = b"x: 1\n"
        self.variables["parameter_defaults"]["Zone"] = "here"
        committed, _told = self.rollback(4)
        self.assertEqual((5, True), (committed.revision, committed.changed))
        self.assertEqual(before, self.content())
        self.assertNotIn("environments/mine.yaml", self.objects)

    def test_plan_that_was_broken_directly_can_go_back(self):
        before = self.content()
        for breaking in (
            lambda: self.objects.update({"overcloud.j2.yaml": b"{% for %}"}),
            lambda: self.objects.update({"plan-environment.yaml": b"- a list\n"}),
            lambda: self.objects.update({"roles_data.yaml": b"nothing"}),
            self.objects.clear,
            lambda: self.variables.update(parameter_defaults=["a"]),
            lambda: self.variables.update(environments="a"),
            lambda: self.variables.update(environments=["a"], passwords=5, template=None),
            lambda: self.variables.update(capabilities=5, rendered=7, roles={"a": 1}),
        ):
            breaking()
            self.rollback(4)
            self.assertEqual(before, self.content())

    def test_unknown_or_pruned_revision_changes_nothing(self):
        self.set_options(revisions_kept=2)
        self.set({"Zone": "here"})
        before = self.state()
        for number in (1, 0, -1, 6, 10**12):
            error = self.assertRaises(exceptions.RevisionNotFound, self.rollback, number)
            self.assertEqual((number, [4, 5]), (error.revision, error.available))
        for number in WRONG:
            self.assertRaises(exceptions.InputInvalid, self.rollback, number)
        self.assertEqual(before, self.state())

    def test_plan_that_was_never_deployed_has_nothing_to_undo(self):
        self.cloud.heat.add("plan", "CREATE_COMPLETE")
        self.assertEqual([], self.rollback(1)[1])

    def test_what_cannot_be_undone_is_told_in_words(self):
        self.cloud.heat.add("plan", "CREATE_COMPLETE")
        self.plans.open("plan").archive.mark_deployed(4, {})
        _committed, told = self.rollback(1)
        told = " ".join(told)
        for words in ("deploy it", "ComputeCount changes", "schemas"):
            self.assertIn(words, told)
        self.assertNotIn("Passwords differ", told)
        self.assertNotIn("roles", told)

    def test_compared_is_what_is_deployed_and_not_the_present(self):
        self.cloud.heat.add("plan", "CREATE_COMPLETE")
        self.plans.open("plan").archive.mark_deployed(1, {})
        told = self.rollback(1)[1]
        self.assertEqual(1, len(told))

    def test_deployed_plan_whose_stack_is_gone_has_nothing_to_undo(self):
        self.plans.open("plan").archive.mark_deployed(4, {})
        self.assertEqual([], self.rollback(1)[1])

    def test_old_revision_opens_while_the_old_key_is_in_the_file(self):
        old, new = (fernet.Fernet.generate_key().decode() for _ in range(2))
        self.use_keys(old)
        self.plans.delete("plan", self.change())
        self.make_plan(anew=True)
        self.set({"LicenseKey": CANARY})
        self.use_keys(new, old)
        self.set({"LicenseKey": "other", "Debug": True})
        self.rollback(2)
        self.assertEqual(CANARY, self.given()["LicenseKey"])
        self.use_keys(new)
        self.assertEqual(CANARY, self.given()["LicenseKey"])
        error = self.assertRaises(exceptions.SecretUnreadable, self.rollback, 1)
        self.assertIn("AdminPassword", error.message)


@ddt.ddt
class Export(WithHistory):
    def setUp(self):
        super().setUp()
        self.passwords = settings.get_passwords(self.plans, "plan", reveal=True)

    def export(self, **more):
        return history.export(self.plans, "plan", **more)

    def packed(self, container="plan-exports"):
        return self.swift.containers[container]["plan.tar.gz"]

    def unpacked(self):
        return tarball.unpack_bytes(self.packed(), "export")

    def create(self, name="other", passphrase=None):
        files = dict(self.unpacked())
        variables = history.take_secrets(files, passphrase)
        return self.plans.create(name, self.change(), files=files, variables=variables)

    def test_export_is_a_tarball_for_a_while_without_what_is_rendered(self):
        result = self.export(delete_after=77)
        self.assertEqual(
            {"container": "plan-exports", "object": "plan.tar.gz", "revision": 4, "secrets": []},
            result,
        )
        files = self.unpacked()
        self.assertEqual({*self.FILES, "plan-environment.yaml"}, set(files))
        (sent,) = [r for r in self.swift.sent if r.method == "PUT" and "tar.gz" in r.url]
        self.assertEqual(
            "77",
            str(
                sent.headers["X-Delete-After"].decode()
                if isinstance(sent.headers["X-Delete-After"], bytes)
                else sent.headers["X-Delete-After"]
            ),
        )

    def test_no_secret_is_in_it(self):
        self.export()
        everything = repr(self.unpacked())
        for value in (CANARY, self.passwords["AdminPassword"], "encrypted:"):
            self.assertNotIn(value, everything)

    def test_with_a_passphrase_secrets_are_in_it_but_not_in_clear(self):
        result = self.export(passphrase=PASSPHRASE)
        self.assertEqual(["AdminPassword", "LicenseKey"], result["secrets"])
        told = self.stored() + json.dumps(result) + self.log.output
        for value in (CANARY, self.passwords["AdminPassword"], PASSPHRASE):
            self.assertNotIn(value, told)

    def test_plan_from_an_export_is_the_same_but_for_secrets(self):
        self.set({"Options": {"a": [1, None, {"b": "ä"}]}, "Servers": ["x", "y"]})
        self.export()
        self.create()
        original, made = self.plans.read("plan"), self.plans.read("other")
        self.assertEqual(original.variables["environments"], made.variables["environments"])
        self.assertEqual(original.variables["roles"], made.variables["roles"])
        self.assertEqual(original.variables["template"], made.variables["template"])
        self.assertEqual(
            {
                "Debug": True,
                "ComputeCount": 3,
                "Options": {"a": [1, None, {"b": "ä"}]},
                "Servers": ["x", "y"],
            },
            made.variables["parameter_defaults"],
        )
        for path, content in original.files.contents.items():
            if path != "plan-environment.yaml":
                self.assertEqual(content, made.files.contents[path], path)
        new = settings.get_passwords(self.plans, "other", reveal=True)
        self.assertNotEqual(self.passwords["AdminPassword"], new["AdminPassword"])

    def test_plan_from_an_export_with_a_passphrase_is_the_same_with_secrets(self):
        self.set({"AdminPassword": f"{CANARY}-set"})
        self.export(passphrase=PASSPHRASE)
        before = self.given()
        # Another undercloud has other keys.
        self.use_keys()
        self.create(passphrase=PASSPHRASE)
        made = self.plans.candidate(self.plans.read("other"))
        after = {}
        for name in made.given.environment_files:
            document = yaml.safe_load(made.given.files[name]) or {}
            after.update(document.get("parameter_defaults") or {})
        self.assertEqual(before, after)
        self.assertEqual(CANARY, after["LicenseKey"])
        self.assertNotIn(history.SECRETS_FILE, made.files)
        self.assertNotIn(history.SECRETS_FILE, self.swift.containers["other"])
        self.assertNotIn(CANARY, self.stored())

    def test_inline_environments_come_along(self):
        self.variables["environments"].append(
            {"data": {"parameter_defaults": {"Zone": "here", "Servers": ["s"]}}}
        )
        self.export()
        self.create()
        self.assertEqual(
            self.plans.read("plan").variables["environments"],
            self.plans.read("other").variables["environments"],
        )

    def test_secrets_of_inline_environments_come_along_with_a_passphrase(self):
        self.variables["environments"].append(
            {"data": {"parameter_defaults": {"LicenseKey": f"{CANARY}-inline"}}}
        )
        settings.reset_parameters(self.plans, "plan", self.change())
        result = self.export(passphrase=PASSPHRASE)
        self.assertNotIn(CANARY, self.stored())
        self.assertIn("LicenseKey", result["secrets"])
        self.create(passphrase=PASSPHRASE)
        made = self.plans.candidate(self.plans.read("other"))
        self.assertIn(f"{CANARY}-inline", "".join(made.given.files.values()))

    def test_wrong_or_missing_passphrase(self):
        self.export(passphrase=PASSPHRASE)
        self.assertRaises(exceptions.SecretUnreadable, self.create, passphrase="another passphrase")
        self.assertNotIn("other", self.mistral.environments)
        self.create()
        self.assertNotIn("LicenseKey", self.plans.read("other").variables["parameter_defaults"])
        self.assertNotIn(history.SECRETS_FILE, self.swift.containers["other"])

    def test_passphrase_for_an_export_without_secrets_is_refused(self):
        self.export()
        error = self.assertRaises(exceptions.InputInvalid, self.create, passphrase=PASSPHRASE)
        self.assertEqual("passphrase", error.name)

    @ddt.data("short", "", 5, ["a"], {}, True, "x" * 2000, "\ud800" * 20)
    def test_unusable_passphrase_is_refused_and_nothing_is_stored(self, passphrase):
        error = self.assertRaises(exceptions.InputInvalid, self.export, passphrase=passphrase)
        self.assertEqual("passphrase", error.name)
        self.assertNotIn("plan-exports", self.swift.containers)

    def test_hostile_secrets_file_is_a_typed_error(self):
        good = json.loads(secrets.seal({}, PASSPHRASE))
        for content in (
            b"",
            b"\xff",
            b"[]",
            b"{}",
            b"5",
            json.dumps({**good, "salt": None}).encode(),
            json.dumps({**good, "n": 2**40}).encode(),
        ):
            files = {history.SECRETS_FILE: content}
            with self.subTest(content=content[:40]):
                self.assertRaises(
                    exceptions.SecretUnreadable, history.take_secrets, files, PASSPHRASE
                )
        good = {"passwords": {}, "parameter_defaults": {}, "environments": {}}
        for document in (None, [], 5, {}, *({**good, key: ["a"]} for key in good)):
            self.useFixture(
                fixtures.MonkeyPatch(
                    "tripleo_common.plan.secrets.open_sealed", lambda *_, found=document: found
                )
            )
            files = {history.SECRETS_FILE: b"sealed"}
            with self.subTest(document=document):
                self.assertRaises(exceptions.FileInvalid, history.take_secrets, files, PASSPHRASE)

    def test_export_includes_what_was_written_directly(self):
        self.objects["environments/mine.yaml"] = b"x: 1\n"
        self.export()
        self.assertIn("environments/mine.yaml", self.unpacked())

    def test_export_does_not_change_the_plan(self):
        before = copy.deepcopy(self.state()[1])
        self.export(passphrase=PASSPHRASE)
        self.assertEqual(before, self.state()[1])
        self.assertEqual(4, self.revision())

    @ddt.data(None, "60", 1.5, [], {}, True, 0, -5)
    def test_delete_after_of_the_wrong_kind_is_refused(self, value):
        error = self.assertRaises(exceptions.InputInvalid, self.export, delete_after=value)
        self.assertEqual("delete_after", error.name)

    @ddt.data(None, 5, [], {}, True, "", "a/b", "x" * 257, "plan", "plan.revisions", "\ud800")
    def test_container_that_cannot_be_or_holds_a_plan_is_refused(self, name):
        before = self.state()
        error = self.assertRaises(exceptions.InputInvalid, self.export, exports_container=name)
        self.assertEqual("exports_container", error.name)
        self.assertEqual(before, self.state())

    def test_container_can_be_another_one(self):
        self.assertEqual("mine", self.export(exports_container="mine")["container"])
        with tarfile.open(fileobj=io.BytesIO(self.packed("mine"))) as packed:
            self.assertIn("overcloud.j2.yaml", packed.getnames())

    def test_change_has_an_owner(self):
        self.assertEqual(
            ("u's a", "u's execution e"),
            (changes.Change("a", "u").owner, changes.Change("a", "u", execution="e").owner),
        )
