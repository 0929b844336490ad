import base64
import json
import pathlib
import re
import string
import struct
import time
import uuid

import ddt
import yaml
from cryptography import fernet
from cryptography.hazmat.primitives import serialization

from tests.unit import base
from tripleo_common import config, exceptions
from tripleo_common.plan import passwords

FROM_OUTSIDE = {"SSLCertificate"}
"""Hidden parameters of the default plan that nobody can make up."""


def keys_of(repository):
    """Return the keys of a repository by number."""
    return {int(path.rsplit("/", 1)[1]): file["content"] for path, file in repository.items()}


@ddt.ddt
class Kinds(base.TestCase):
    @ddt.data(1, 25, 32, 4096)
    def test_plain_has_its_length_letters_and_digits_and_begins_with_a_letter(self, length):
        for _ in range(50):
            value = passwords.plain(length)
            self.assertEqual(length, len(value))
            self.assertLessEqual(set(value), set(string.ascii_letters + string.digits))
            self.assertIn(value[0], string.ascii_letters)

    def test_plain_uses_all_letters_and_digits(self):
        self.assertEqual(62, len(set(passwords.plain(10000))))

    def test_plain_is_text_to_any_yaml_reader(self):
        for _ in range(1000):
            value = passwords.plain()
            self.assertEqual(value, yaml.safe_load(value))

    def test_base64_key_has_its_bytes(self):
        self.assertEqual(32, len(base64.b64decode(passwords.base64_key(), validate=True)))
        self.assertEqual(7, len(base64.b64decode(passwords.base64_key(7), validate=True)))

    def test_fernet_key_loads(self):
        fernet.Fernet(passwords.fernet_key())

    def test_fernet_repository_has_a_staged_and_a_primary_key(self):
        repository = passwords.fernet_repository()
        self.assertEqual(
            ["/etc/keystone/fernet-keys/0", "/etc/keystone/fernet-keys/1"], list(repository)
        )
        keys = keys_of(repository)
        self.assertNotEqual(keys[0], keys[1])
        for key in keys.values():
            fernet.Fernet(key)

    def test_ceph_key_is_what_ceph_and_its_templates_read(self):
        key = passwords.ceph_key()
        self.assertRegex(key, r"^[a-zA-Z0-9+/]{38}==$")
        content = base64.b64decode(key, validate=True)
        kind, seconds, nanoseconds, length = struct.unpack("<hiih", content[:12])
        self.assertEqual((1, 0, 16), (kind, nanoseconds, length))
        self.assertEqual(16, len(content[12:]))
        self.assertLess(abs(time.time() - seconds), 60)

    def test_ceph_key_can_be_made_after_2038(self):
        self.patch(passwords.time, "time", lambda: 2.0**31 + 5)
        self.assertRegex(passwords.ceph_key(), r"^[a-zA-Z0-9+/]{38}==$")

    def test_uuid_is_one(self):
        value = passwords.uuid4()
        self.assertEqual(value, str(uuid.UUID(value, version=4)))

    def test_ssh_keys_are_a_pair_in_the_forms_of_openssh(self):
        pair = passwords.ssh_key_pair()
        self.assertEqual({"public_key", "private_key"}, set(pair))
        self.assertTrue(pair["public_key"].startswith("ssh-rsa AAAA"))
        self.assertTrue(pair["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----\n"))
        self.assertTrue(pair["private_key"].endswith("-----END RSA PRIVATE KEY-----\n"))
        private = serialization.load_pem_private_key(pair["private_key"].encode(), None)
        public = serialization.load_ssh_public_key(pair["public_key"].encode())
        self.assertEqual(3072, private.key_size)
        self.assertEqual(private.public_key().public_numbers(), public.public_numbers())

    @ddt.data(
        passwords.plain,
        passwords.base64_key,
        passwords.fernet_key,
        passwords.ceph_key,
        passwords.uuid4,
    )
    def test_no_two_are_the_same(self, make):
        self.assertEqual(1000, len({make() for _ in range(1000)}))


@ddt.ddt
class Table(base.TestCase):
    @ddt.data(
        ("AdminPassword", r"[A-Za-z][A-Za-z0-9]{24}"),
        ("KeystonePassword", r"[A-Za-z][A-Za-z0-9]{24}"),
        ("HeatAuthEncryptionKey", r"[A-Za-z0-9]{32}"),
        ("OctaviaServerCertsKeyPassphrase", r"[A-Za-z0-9]{32}"),
        ("PacemakerRemoteAuthkey", r"[A-Za-z0-9]{4096}"),
        ("BarbicanSimpleCryptoKek", r"[A-Za-z0-9+/]{43}="),
        ("DesignateRndcKey", r"[A-Za-z0-9+/]{43}="),
        ("KeystoneCredential0", r"[A-Za-z0-9_-]{43}="),
        ("KeystoneFernetKey1", r"[A-Za-z0-9_-]{43}="),
        ("CephClientKey", r"[A-Za-z0-9+/]{38}=="),
        ("CephClusterFSID", r"[0-9a-f-]{36}"),
    )
    @ddt.unpack
    def test_form_is_what_the_templates_take(self, name, form):
        value = passwords.generate([name], {})[name]
        self.assertTrue(re.fullmatch(form, value), value)

    def test_every_value_is_json_and_of_its_own(self):
        made = [passwords.generate(passwords.PASSWORDS, {}) for _ in range(2)]
        self.assertEqual(set(passwords.PASSWORDS), set(made[0]))
        self.assertEqual(made[0], json.loads(json.dumps(made[0])))
        values = [json.dumps(value) for values in made for value in values.values()]
        self.assertEqual(len(values), len(set(values)))

    def test_every_hidden_parameter_of_the_default_plan_is_there_or_comes_from_outside(self):
        hidden = set()
        for path in pathlib.Path(config.share_dir("templates")).rglob("*.yaml"):
            for block in re.finditer(
                r"^  (\w+):\n((?:    .*\n|\n)+)", path.read_text(), re.MULTILINE
            ):
                if re.search(r"^    hidden: true", block[2], re.MULTILINE):
                    hidden.add(block[1])
        self.assertGreater(len(hidden), 15)
        self.assertEqual(set(), hidden - set(passwords.PASSWORDS) - FROM_OUTSIDE)


class Wanted(base.TestCase):
    def test_names_are_found_anywhere_as_whole_words(self):
        texts = [
            "parameters:\n  AdminPassword:\n    type: string\n",
            "{get_param: [MigrationSshKey, private_key]} ${KeystoneFernetKey0}",
            "# RabbitCookie\n'HorizonSecret'",
            "mysql://keystone:${KeystonePassword}@host",
            "CephClientKey",
        ]
        self.assertEqual(
            {
                "AdminPassword",
                "MigrationSshKey",
                "KeystoneFernetKey0",
                "RabbitCookie",
                "HorizonSecret",
                "KeystonePassword",
                "CephClientKey",
            },
            passwords.wanted(texts),
        )

    def test_parts_of_words_are_not(self):
        texts = [
            "MyAdminPassword AdminPasswords AdminPassword1 AdminPassword_x",
            "myAdminPassword _AdminPassword 1AdminPassword üAdminPassword AdminPasswordü",
            "adminpassword Admin Password Admin-Password",
        ]
        self.assertEqual(set(), passwords.wanted(texts))

    def test_a_whole_word_is_found_beside_a_part_in_the_same_file_or_another(self):
        self.assertEqual({"AdminPassword"}, passwords.wanted(["xAdminPassword AdminPassword"]))
        self.assertEqual({"AdminPassword"}, passwords.wanted(["xAdminPassword", "AdminPassword"]))

    def test_nothing_is_wanted_of_nothing(self):
        self.assertEqual(set(), passwords.wanted([]))
        self.assertEqual(set(), passwords.wanted(["", "\0"]))

    def test_default_plan_wants_what_it_hides(self):
        root = pathlib.Path(config.share_dir("templates"))
        found = passwords.wanted(path.read_text() for path in root.rglob("*.yaml"))
        self.assertLessEqual({"AdminPassword", "RabbitCookie", "SwiftHashSuffix"}, found)


class Generate(base.TestCase):
    def test_only_what_is_missing_is_made(self):
        made = passwords.generate(
            {"AdminPassword", "NovaPassword"}, {"NovaPassword": "encrypted:x", "Other": "y"}
        )
        self.assertEqual(["AdminPassword"], list(made))

    def test_what_is_there_stays_even_if_it_is_empty(self):
        self.assertEqual({}, passwords.generate(["AdminPassword"], {"AdminPassword": ""}))

    def test_unknown_name_is_refused_with_those_that_exist(self):
        error = self.assertRaises(
            exceptions.InputInvalid, passwords.generate, ["AdminPassword", "NoPassword"], {}
        )
        self.assertIn("NoPassword", error.message)
        self.assertIn("ZaqarPassword", error.message)


@ddt.ddt
class Rotate(base.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Once: nothing changes it, and an RSA key takes its time.
        cls.existing = passwords.generate(passwords.PASSWORDS, {})

    @ddt.data(None, [], (), set())
    def test_all_that_may_be_are_rotated_if_none_is_named(self, names):
        new = passwords.rotate(self.existing, names)
        self.assertEqual({n for n, p in passwords.PASSWORDS.items() if not p.fixed}, set(new))
        for name, value in new.items():
            self.assertNotEqual(self.existing[name], value, name)

    def test_only_the_named_ones_are_rotated_and_the_old_values_are_left_alone(self):
        before = json.dumps(self.existing)
        new = passwords.rotate(self.existing, ["AdminPassword", "MigrationSshKey"])
        self.assertEqual({"AdminPassword", "MigrationSshKey"}, set(new))
        self.assertNotEqual(self.existing["AdminPassword"], new["AdminPassword"])
        self.assertEqual(before, json.dumps(self.existing))

    def test_a_name_twice_is_one(self):
        self.assertEqual(1, len(passwords.rotate(self.existing, ["AdminPassword"] * 2)))

    def test_a_plan_rotates_what_it_has(self):
        new = passwords.rotate({"AdminPassword": "x", "SwiftHashSuffix": "y", "Own": "z"}, None)
        self.assertEqual({"AdminPassword"}, set(new))
        self.assertEqual({}, passwords.rotate({}, None))

    @ddt.data(*sorted(name for name, kind in passwords.PASSWORDS.items() if kind.fixed))
    def test_what_would_break_a_running_overcloud_is_refused_with_the_reason(self, name):
        error = self.assertRaises(
            exceptions.InputInvalid, passwords.rotate, self.existing, ["AdminPassword", name]
        )
        self.assertEqual("rotate_pw_list", error.name)
        self.assertIn(f"{name}: {passwords.PASSWORDS[name].fixed}.", error.message)

    def test_what_must_stay_is_among_the_refused_ones(self):
        fixed = {name for name, kind in passwords.PASSWORDS.items() if kind.fixed}
        self.assertLessEqual(
            {
                "BarbicanSimpleCryptoKek",
                "CephClientKey",
                "CephClusterFSID",
                "HeatAuthEncryptionKey",
                "KeystoneCredential0",
                "KeystoneCredential1",
                "MysqlRootPassword",
                "OctaviaServerCertsKeyPassphrase",
                "SnmpdReadonlyUserPassword",
                "SwiftHashSuffix",
            },
            fixed,
        )
        self.assertNotIn("KeystoneFernetKeys", fixed)

    def test_all_faults_come_in_one_answer_with_what_exists(self):
        error = self.assertRaises(
            exceptions.InputInvalid,
            passwords.rotate,
            {"AdminPassword": "secret", "SwiftHashSuffix": "secret"},
            ["Nope", "NovaPassword", "SwiftHashSuffix", "\x1b" * 10**6],
        )
        for part in ("Nope", "NovaPassword", "SwiftHashSuffix: ", "AdminPassword"):
            self.assertIn(part, error.message)
        self.assertNotIn("secret", error.message)
        self.assertNotIn("\x1b", error.message)
        self.assertLess(len(error.message), 2000)

    @ddt.data("AdminPassword", 5, {"AdminPassword": 1}, [["AdminPassword"]], [None], [{}], True, "")
    def test_what_is_no_list_of_names_is_refused(self, names):
        error = self.assertRaises(exceptions.InputInvalid, passwords.rotate, self.existing, names)
        self.assertEqual("rotate_pw_list", error.name)


@ddt.ddt
class RotateFernetKeys(base.TestCase):
    def rotate(self, repository):
        existing = {"KeystoneFernetKeys": repository}
        return passwords.rotate(existing, ["KeystoneFernetKeys"])["KeystoneFernetKeys"]

    def test_staged_key_becomes_the_primary_one_and_the_former_stays(self):
        before = passwords.fernet_repository()
        after = self.rotate(before)
        self.assertEqual([f"/etc/keystone/fernet-keys/{n}" for n in (0, 1, 2)], list(after))
        old, new = keys_of(before), keys_of(after)
        self.assertEqual((old[0], old[1]), (new[2], new[1]))
        self.assertNotIn(new[0], old.values())
        fernet.Fernet(new[0])

    def test_five_are_kept_at_most_and_the_oldest_goes(self):
        repository = passwords.fernet_repository()
        for _ in range(10):
            before, repository = repository, self.rotate(repository)
        self.assertEqual([0, 8, 9, 10, 11], sorted(keys_of(repository)))
        old, new = keys_of(before), keys_of(repository)
        self.assertEqual(old[0], new[11])
        self.assertEqual({n: old[n] for n in (8, 9, 10)}, {n: new[n] for n in (8, 9, 10)})

    def test_token_of_before_stays_good_until_its_key_is_dropped(self):
        repository = passwords.fernet_repository()
        token = fernet.Fernet(keys_of(repository)[1]).encrypt(b"token")
        for _ in range(3):
            repository = self.rotate(repository)
            self.assertIn(1, keys_of(repository))
            ring = fernet.MultiFernet([fernet.Fernet(k) for k in keys_of(repository).values()])
            self.assertEqual(b"token", ring.decrypt(token))
        self.assertNotIn(1, keys_of(self.rotate(repository)))

    def test_another_directory_and_gaps_are_kept(self):
        keys = {n: {"content": passwords.fernet_key()} for n in (0, 7, 9)}
        after = self.rotate({f"/x/{n}": key for n, key in keys.items()})
        self.assertEqual(["/x/0", "/x/10", "/x/7", "/x/9"], sorted(after))
        self.assertEqual(keys[0], after["/x/10"])

    def test_repository_without_a_staged_key_gets_a_new_primary_one(self):
        key = {"content": passwords.fernet_key()}
        after = self.rotate({"/x/4": key})
        self.assertEqual(["/x/0", "/x/4", "/x/5"], sorted(after))
        self.assertEqual(3, len(set(keys_of(after).values())))

    @ddt.data(
        None,
        "",
        "text",
        5,
        [],
        {},
        {"/x/0": "key"},
        {"/x/0": {}},
        {"/x/0": {"content": None}},
        {"/x/0": {"content": "canary"}},
        {"/x/0": {"content": "ä" * 44}},
        {"/x/a": {"content": "A" * 43 + "="}},
        {"/x/00": {"content": "A" * 43 + "="}},
        {"/x/-1": {"content": "A" * 43 + "="}},
        {"/x/" + "9" * 5000: {"content": "A" * 43 + "="}},
        {"/x/٣": {"content": "A" * 43 + "="}},
        {"/x/0": {"content": "A" * 43 + "="}, "/y/1": {"content": "A" * 43 + "="}},
        {0: {"content": "A" * 43 + "="}},
    )
    def test_what_is_no_repository_is_refused_without_its_keys(self, value):
        error = self.assertRaises(exceptions.InputInvalid, self.rotate, value)
        self.assertIn("KeystoneFernetKeys", error.message)
        self.assertNotIn("canary", error.message)

    @ddt.data("KeystoneFernetKey0", "KeystoneFernetKey1")
    def test_a_repository_of_two_parameters_rotates_as_a_whole(self, name):
        existing = passwords.generate(["KeystoneFernetKey0", "KeystoneFernetKey1"], {})
        new = passwords.rotate(existing, [name])
        self.assertEqual(set(existing), set(new))
        self.assertEqual(existing["KeystoneFernetKey0"], new["KeystoneFernetKey1"])
        self.assertNotIn(new["KeystoneFernetKey0"], existing.values())

    @ddt.data(None, "", "text", 5, {})
    def test_staged_key_that_is_none_does_not_become_primary(self, staged):
        existing = {"KeystoneFernetKey0": staged, "KeystoneFernetKey1": "x"}
        new = passwords.rotate(existing, None)
        for key in new.values():
            fernet.Fernet(key)
        self.assertEqual(2, len(set(new.values())))


@ddt.ddt
class TakenOver(base.TestCase):
    @ddt.data(
        ("AdminPassword", "x"),
        ("AdminPassword", "a b: 'c'"),
        ("HeatAuthEncryptionKey", "shorter"),
        ("MigrationSshKey", {"public_key": "a", "private_key": "b"}),
        ("KeystoneFernetKeys", {"/x/0": {"content": "a"}}),
    )
    @ddt.unpack
    def test_value_of_a_stack_is_taken_as_it_is(self, name, value):
        taken = passwords.taken_over([name, "NovaPassword"], {name: value, "Other": "y"})
        self.assertEqual({name: value}, taken)

    def test_digits_are_text_as_they_are_to_heat(self):
        self.assertEqual(
            {"AdminPassword": "123456"},
            passwords.taken_over(["AdminPassword"], {"AdminPassword": 123456}),
        )

    @ddt.data(
        ("AdminPassword", ""),
        ("AdminPassword", "  \n"),
        ("AdminPassword", "******"),
        ("AdminPassword", None),
        ("AdminPassword", True),
        ("AdminPassword", 1.5),
        ("AdminPassword", ["x"]),
        ("AdminPassword", {"a": "x"}),
        ("MigrationSshKey", "x"),
        ("MigrationSshKey", {}),
        ("MigrationSshKey", {"public_key": "", "private_key": ""}),
        ("MigrationSshKey", {"public_key": "a", "private_key": "******"}),
        ("MigrationSshKey", {"public_key": "a", "private_key": None}),
        ("KeystoneFernetKeys", {"/x/0": {"content": ""}}),
        ("KeystoneFernetKeys", {"/x/0": {}}),
        ("KeystoneFernetKeys", 5),
    )
    @ddt.unpack
    def test_value_that_is_of_no_use_is_left_out(self, name, value):
        self.assertEqual({}, passwords.taken_over([name], {name: value}))

    def test_only_the_names_are_taken(self):
        self.assertEqual(
            {}, passwords.taken_over(["NovaPassword", "Own"], {"AdminPassword": "x", "Own": "y"})
        )
