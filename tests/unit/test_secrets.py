import base64
import hmac
import json
import os
import traceback

import ddt
from cryptography import fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf import hkdf

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import secrets

CANARY = "canary-5d1f"
PASSPHRASE = "correct horse battery"


def key():
    return fernet.Fernet.generate_key().decode()


class WithKeys(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.temporary(), "keys")
        self.set_options(encryption_keys_file=self.path)
        self.vault = secrets.Vault.from_options()

    def write(self, *lines, mode=0o600):
        """Replace the file of keys."""
        with open(self.path + ".new", "wb") as stream:
            stream.write("\n".join(lines).encode("utf-8", "surrogateescape"))
        os.chmod(self.path + ".new", mode)
        os.replace(self.path + ".new", self.path)

    def refused(self):
        """Return the sentence with which the file of keys is refused, by every method."""
        problems = set()
        for call in (
            lambda: self.vault.encrypt(1),
            lambda: self.vault.decrypt("encrypted:x", "A"),
            lambda: self.vault.renew("encrypted:x", "A"),
            lambda: self.vault.mark(1),
            lambda: self.vault.is_mark("x", 1),
        ):
            error = self.assertRaises(exceptions.EncryptionKeyMissing, call)
            self.assertIn("encryption_keys_file", error.message)
            problems.add(error.problem)
        self.assertEqual(1, len(problems))
        return problems.pop()


@ddt.ddt
class Encryption(WithKeys):
    def setUp(self):
        super().setUp()
        self.write(key())

    @ddt.data(
        "",
        "x",
        "ünïcode \ud800 \0",
        "encrypted:x",
        0,
        1.5,
        True,
        None,
        [],
        ["a", {"b": None}],
        {"public_key": "ssh-rsa", "private_key": "x\ny"},
        "x" * 100000,
    )
    def test_value_comes_back_as_it_was(self, value):
        text = self.vault.encrypt(value)
        self.assertTrue(secrets.is_encrypted(text))
        self.assertEqual(value, self.vault.decrypt(text, "A"))
        self.assertIs(type(value), type(self.vault.decrypt(text, "A")))

    def test_nothing_of_the_value_shows_and_two_of_it_look_different(self):
        one, two = (self.vault.encrypt(CANARY) for _ in range(2))
        self.assertNotEqual(one, two)
        for text in (one, two):
            self.assertNotIn(CANARY, text)
            token = base64.urlsafe_b64decode(text.removeprefix("encrypted:"))
            self.assertNotIn(CANARY.encode(), token)

    def test_another_vault_of_the_same_file_reads_it(self):
        text = self.vault.encrypt(CANARY)
        self.assertEqual(CANARY, secrets.Vault.from_options().decrypt(text, "A"))

    @ddt.data({1, 2}, object(), b"x", float("nan"), {(1, 2): 3})
    def test_value_that_json_cannot_hold_is_refused(self, value):
        self.assertRaises(exceptions.InputInvalid, self.vault.encrypt, value)

    def test_value_that_holds_itself_or_has_no_end_is_refused(self):
        circle = []
        circle.append(circle)
        deep = []
        for _ in range(100000):
            deep = [deep]
        for value in (circle, deep):
            self.assertRaises(exceptions.InputInvalid, self.vault.encrypt, value)

    @ddt.data(
        "",
        "encrypted:",
        "encrypted:gAAAAA",
        "encrypted:ä",
        "encrypted:\ud800",
        "encrypted:" + "x" * 200,
        "password",
        None,
        5,
        b"encrypted:x",
        {"a": "encrypted:x"},
    )
    def test_what_was_not_encrypted_is_not_decrypted(self, text):
        for method in (self.vault.decrypt, self.vault.renew):
            error = self.assertRaises(exceptions.SecretUnreadable, method, text, "AdminPassword")
            self.assertEqual("AdminPassword", error.name)
            self.assertIn("AdminPassword", error.message)

    def test_changed_or_cut_text_is_not_decrypted(self):
        text = self.vault.encrypt(CANARY)
        middle = len(text) // 2
        other = "A" if text[middle] != "A" else "B"
        for damaged in (text[:-8], text[:middle] + other + text[middle + 1 :], text[:20]):
            self.assertTrue(secrets.is_encrypted(damaged))
            self.assertRaises(exceptions.SecretUnreadable, self.vault.decrypt, damaged, "A")

    def test_other_key_says_what_would_open_it_and_shows_nothing(self):
        text = self.vault.encrypt(CANARY)
        new = key()
        self.write(new)
        for method in (self.vault.decrypt, self.vault.renew):
            error = self.assertRaises(exceptions.SecretUnreadable, method, text, "AdminPassword")
            self.assertIn("The key that it was encrypted with must be in the file", error.message)
            self.assertIn("encryption_keys_file", error.message)
            for shown in (error.message, str(error.details)):
                self.assertNotIn(new, shown)
                self.assertNotIn(text, shown)

    def test_what_is_no_json_shows_nothing_of_itself(self):
        mine = key()
        self.write(mine)
        token = fernet.Fernet(mine).encrypt(CANARY.encode()).decode()
        error = self.assertRaises(
            exceptions.SecretUnreadable, self.vault.decrypt, f"encrypted:{token}", "A"
        )
        self.assertNotIn(CANARY, "".join(traceback.format_exception(error)))


class Rotation(WithKeys):
    def test_old_key_still_decrypts_and_the_newest_encrypts_without_a_restart(self):
        old, new = key(), key()
        self.write(old)
        before = self.vault.encrypt("a")
        self.write(new, old)
        after = self.vault.encrypt("b")
        self.assertEqual("a", self.vault.decrypt(before, "A"))
        self.write(new)
        self.assertEqual("b", self.vault.decrypt(after, "A"))
        self.assertRaises(exceptions.SecretUnreadable, self.vault.decrypt, before, "A")

    def test_file_that_is_written_in_place_is_read_again(self):
        old, new = key(), key()
        self.write(old)
        before = self.vault.encrypt("a")
        status = os.stat(self.path)
        with open(self.path, "w") as stream:
            stream.write(new)
        # Same size and inode; only the time tells.
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        self.assertRaises(exceptions.SecretUnreadable, self.vault.decrypt, before, "A")

    def test_renewing_keeps_what_the_newest_key_made(self):
        self.write(key(), key())
        text = self.vault.encrypt("a")
        self.assertIs(text, self.vault.renew(text, "A"))

    def test_renewing_encrypts_with_the_newest_key_what_an_older_one_made(self):
        old, new = key(), key()
        self.write(old)
        text = self.vault.encrypt({"a": 1})
        self.write(new, old)
        renewed = self.vault.renew(text, "A")
        self.assertNotEqual(text, renewed)
        self.assertEqual(renewed, self.vault.renew(renewed, "A"))
        self.write(new)
        self.assertEqual({"a": 1}, self.vault.decrypt(renewed, "A"))


@ddt.ddt
class Marks(WithKeys):
    def setUp(self):
        super().setUp()
        self.old, self.new = key(), key()
        self.write(self.old)

    @ddt.data("", "x", "ünïcode \ud800", None, True, [1, {"a": None}], {"b": 1, "a": [2]})
    def test_mark_is_of_its_value_alone(self, value):
        mark = self.vault.mark(value)
        self.assertRegex(mark, "^[0-9a-f]{64}$")
        self.assertEqual(mark, self.vault.mark(value))
        self.assertTrue(self.vault.is_mark(mark, value))
        for other in (CANARY, [value], {"a": value}):
            self.assertNotEqual(mark, self.vault.mark(other))
            self.assertFalse(self.vault.is_mark(mark, other))

    def test_order_of_a_mapping_does_not_matter(self):
        mark = self.vault.mark({"a": 1, "b": {"c": 2, "d": 3}})
        self.assertTrue(self.vault.is_mark(mark, {"b": {"d": 3, "c": 2}, "a": 1}))

    def test_mark_outlives_a_new_key_and_not_the_removal_of_its_own(self):
        mark = self.vault.mark(CANARY)
        self.write(self.new, self.old)
        self.assertTrue(self.vault.is_mark(mark, CANARY))
        self.assertNotEqual(mark, self.vault.mark(CANARY))
        self.write(self.new)
        self.assertFalse(self.vault.is_mark(mark, CANARY))

    def test_mark_of_another_purpose_is_none(self):
        purposes = ("", "a", "b")
        vaults = [secrets.Vault(self.path, purpose) for purpose in purposes]
        self.assertEqual(len(purposes), len({one.mark(CANARY) for one in vaults}))

    def test_mark_is_made_with_no_key_that_encrypts(self):
        whole = base64.urlsafe_b64decode(self.old)
        for purpose in ("", "a"):
            mark = secrets.Vault(self.path, purpose).mark(CANARY)
            derived = hkdf.HKDF(hashes.SHA256(), 32, None, purpose.encode()).derive(whole)
            for known in (self.old.encode(), whole, whole[:16], derived, derived[:16]):
                digest = hmac.digest(known, f'"{CANARY}"'.encode(), "sha256")
                self.assertNotEqual(mark, digest.hex())

    @ddt.data(None, 5, "", "x", "ä" * 64, "\ud800", b"x", ["x"], "0" * 64)
    def test_what_is_no_mark(self, mark):
        self.assertFalse(self.vault.is_mark(mark, CANARY))

    @ddt.data({1, 2}, object(), b"x", float("nan"), {1: 2, "a": 3})
    def test_value_that_json_cannot_hold_is_refused(self, value):
        self.assertRaises(exceptions.InputInvalid, self.vault.mark, value)
        self.assertRaises(exceptions.InputInvalid, self.vault.is_mark, "0" * 64, value)


class Bytes(WithKeys):
    def test_bytes_come_back_as_they_were(self):
        self.write(key())
        text = self.vault.encrypt_bytes(b"\0\xff" + CANARY.encode())
        self.assertTrue(secrets.is_encrypted(text))
        self.assertEqual(b"\0\xff" + CANARY.encode(), self.vault.decrypt_bytes(text, "A"))
        self.assertRaises(exceptions.SecretUnreadable, self.vault.decrypt, text, "A")


@ddt.ddt
class KeysFile(WithKeys):
    def test_file_that_is_missing_is_missed_when_it_is_needed_not_before(self):
        self.assertIn("cannot be read: No such file", self.refused())

    def test_option_that_is_not_set_says_so(self):
        self.set_options(encryption_keys_file=None)
        self.vault = secrets.Vault.from_options()
        self.assertIn("no file of keys is configured", self.refused())

    def test_blank_lines_and_comments_are_passed_over(self):
        mine = key()
        self.write("", "# a comment", "  ", f"  {mine} ", "#" + key(), "")
        token = self.vault.encrypt("a").removeprefix("encrypted:")
        self.assertEqual(b'"a"', fernet.Fernet(mine).decrypt(token))

    @ddt.data([], [""], ["# only a comment"])
    def test_file_without_a_key_is_refused(self, lines):
        self.write(*lines)
        self.assertIn("has no key", self.refused())

    @ddt.data("secret", "x" * 44, "\udcff\udc80", "ä" * 32, "A" * 43)
    def test_line_that_is_no_key_is_named_by_its_number_and_never_shown(self, line):
        self.write("# comment", line, key())
        problem = self.refused()
        self.assertIn("line 2", problem)
        self.assertNotIn(line, problem)

    @ddt.data(0o640, 0o604, 0o660, 0o610, 0o602, 0o644)
    def test_file_that_others_can_use_is_refused_with_its_mode(self, mode):
        self.write(key(), mode=mode)
        problem = self.refused()
        self.assertIn(f"{mode:04o}", problem)
        self.assertIn("0600", problem)

    def test_file_that_others_can_use_from_now_on_is_refused(self):
        self.write(key())
        self.vault.encrypt(1)
        os.chmod(self.path, 0o644)
        self.assertIn("0644", self.refused())

    def test_file_that_has_gone_is_missed(self):
        self.write(key())
        self.vault.encrypt(1)
        os.unlink(self.path)
        self.assertIn("cannot be read", self.refused())

    def test_directory_or_pipe_is_refused_at_once(self):
        os.mkdir(self.path, 0o700)
        self.assertIn("cannot be read: Is a directory", self.refused())
        os.rmdir(self.path)
        os.mkfifo(self.path, 0o600)
        self.assertIn("is no file", self.refused())

    def test_endless_file_is_refused(self):
        self.write("#" * 10**6)
        self.assertIn("too large", self.refused())

    def test_path_that_is_none_is_refused(self):
        self.vault = secrets.Vault("a\0b")
        self.assertIn("cannot be a path", self.refused())


@ddt.ddt
class Mask(base.TestCase):
    @ddt.data("encrypted:gAAAAA", "encrypted:")
    def test_encrypted_value_is_known(self, value):
        self.assertTrue(secrets.is_encrypted(value))

    @ddt.data("", "x", " encrypted:x", "Encrypted:x", None, 5, b"encrypted:x", ["encrypted:x"])
    def test_other_value_is_not_encrypted(self, value):
        self.assertFalse(secrets.is_encrypted(value))

    def test_hidden_and_encrypted_values_are_masked_and_the_rest_is_shown(self):
        values = {"A": "x", "B": {"a": 1}, "C": "encrypted:gAAAAA", "D": 5, "E": None}
        self.assertEqual(
            {"A": "******", "B": "******", "C": "******", "D": 5, "E": None},
            secrets.mask(values, {"A", "B", "Z"}),
        )
        self.assertEqual("x", values["A"])


def altered(text, **changes):
    return json.dumps({**json.loads(text), **changes})


@ddt.ddt
class Seal(base.TestCase):
    def test_document_comes_back_with_the_passphrase_alone(self):
        document = {"passwords": {"A": CANARY, "B": {"c": [1, None, "ü"]}}}
        text = secrets.seal(document, PASSPHRASE)
        self.assertEqual(document, secrets.open_sealed(text, PASSPHRASE))
        self.assertNotIn(CANARY, text)
        self.assertNotIn(PASSPHRASE, text)
        error = self.assertRaises(
            exceptions.SecretUnreadable, secrets.open_sealed, text, PASSPHRASE + "!"
        )
        self.assertIn("passphrase", error.message)
        self.assertNotIn(PASSPHRASE, error.message)

    def test_each_has_a_salt_of_its_own(self):
        one, two = (json.loads(secrets.seal(1, PASSPHRASE)) for _ in range(2))
        self.assertNotEqual(one["salt"], two["salt"])
        self.assertEqual(("scrypt", 2**15, 8), (one["kdf"], one["n"], one["r"]))

    def test_changed_salt_token_or_cost_does_not_open(self):
        text = secrets.seal(1, PASSPHRASE)
        for changes in (
            {"salt": base64.b64encode(b"x" * 16).decode()},
            {"n": 2**14},
            {"p": 1},
            {"token": "gAAAAA" + "x" * 94},
            {"token": ""},
        ):
            self.assertRaises(
                exceptions.SecretUnreadable,
                secrets.open_sealed,
                altered(text, **changes),
                PASSPHRASE,
            )

    @ddt.data(
        {"n": 2**40},
        {"n": 2**18},
        {"n": 2**15 + 1},
        {"n": 2},
        {"n": 0},
        {"n": -(2**15)},
        {"n": True},
        {"n": 32768.0},
        {"n": "32768"},
        {"n": None},
        {"r": 2**30},
        {"r": 0},
        {"p": 2**30},
        {"p": 0},
        {"p": []},
        {"salt": ""},
        {"salt": "x"},
        {"salt": "ä"},
        {"salt": 5},
        {"salt": "A" * 10**6},
        {"token": None},
        {"token": 5},
        {"token": "ä"},
        {"kdf": "pbkdf2"},
        {"kdf": ["scrypt"]},
        {"sealed": 2},
        {"sealed": None},
    )
    def test_hostile_form_is_refused_before_any_key_is_derived(self, changes):
        def never(*_args, **_more):
            raise AssertionError("a key was derived")

        text = json.dumps(
            {
                "sealed": 1,
                "kdf": "scrypt",
                "n": 2**15,
                "r": 8,
                "p": 3,
                "salt": base64.b64encode(b"x" * 16).decode(),
                "token": "gAAAAA",
            }
        )
        self.patch(secrets.scrypt, "Scrypt", never)
        self.assertRaises(AssertionError, secrets.open_sealed, text, PASSPHRASE)
        error = self.assertRaises(
            exceptions.SecretUnreadable, secrets.open_sealed, altered(text, **changes), PASSPHRASE
        )
        self.assertIn("form", error.message)

    @ddt.data("", "{", "null", "[]", "5", '"x"', "{}", "[" * 100000, None, 5, b"{}", "\0", "\ud800")
    def test_what_is_no_sealed_document_is_refused(self, text):
        self.assertRaises(exceptions.SecretUnreadable, secrets.open_sealed, text, PASSPHRASE)

    @ddt.data("", "x" * 11, "x" * 1025, None, 5, b"x" * 20, ["x"] * 20, "\ud800" * 20)
    def test_passphrase_that_is_none_is_refused(self, passphrase):
        for call in (secrets.seal, secrets.open_sealed):
            error = self.assertRaises(exceptions.InputInvalid, call, "{}", passphrase)
            self.assertEqual("passphrase", error.name)

    @ddt.data("x" * 12, "ü" * 12)
    def test_shortest_passphrase_does(self, passphrase):
        self.assertEqual([1], secrets.open_sealed(secrets.seal([1], passphrase), passphrase))

    def test_document_that_json_cannot_hold_is_refused(self):
        self.assertRaises(exceptions.InputInvalid, secrets.seal, {1, 2}, PASSPHRASE)
