import pathlib
import stat

import ddt
from cryptography import fernet
from oslo_config import cfg

from tests.unit import base, fakes
from tripleo_common import config, exceptions
from tripleo_common.undercloud import identity, services, state
from tripleo_common.undercloud.servers import swift_cache


class WithServices(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = state.StateDir(pathlib.Path(self.temporary()) / "u")
        self.directory.create()

    def build(self, regions=2, free=True, without=()):
        self.directory.regions = list(state.REGIONS[:regions])
        self.directory.without = list(without)
        units = services.build(self.directory)
        for unit in units:
            unit.assign_ports(free=free)
        return units

    def secrets(self):
        return set(self.directory._settings["secrets"].values())


@ddt.ddt
class Names(base.TestCase):
    @ddt.data([], ["heat"], ["heat", "swift", "glance", "ironic", "mistral"])
    def test_service_can_be_left_out(self, names):
        services.check_names(names)

    @ddt.data(["keystone"], ["nova"], [""], ["heat", "Heat"])
    def test_what_nothing_works_without_or_nobody_knows_is_refused(self, names):
        error = self.assertRaises(exceptions.UndercloudError, services.check_names, names)
        self.assertIn("mistral, swift, heat, glance, ironic", error.message)
        self.assertIn(repr(names[-1]), error.message)


class Versions(WithServices):
    def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(self):
        """A service whose distribution this environment does not have."""
        unit = self.build(regions=1)[0]
        absent = type("Absent", (type(unit),), {"distribution": "no-such-distribution"})
        missing = absent(self.directory, self.directory.regions[0])
        error = self.assertRaises(exceptions.UndercloudError, lambda: missing.version)
        self.assertIn("no-such-distribution is not installed", error.message)
        self.assertIn("tripleo-common[undercloud]", error.message)


class Build(WithServices):
    def test_each_region_has_its_own_swift_and_heat_and_shares_the_rest(self):
        self.assertEqual(
            [
                "keystone",
                "mistral",
                "swift",
                "swift-regionTwo",
                "heat",
                "heat-regionTwo",
                "glance",
                "ironic",
            ],
            [unit.unit for unit in self.build()],
        )

    def test_left_out_service_is_not_there(self):
        names = {unit.name for unit in self.build(without=["ironic", "glance"])}
        self.assertEqual({"keystone", "mistral", "swift", "heat"}, names)

    def test_no_two_processes_share_a_port_or_a_name(self):
        for free in (False, True):
            self.directory.forget_ports()
            specs = [spec for unit in self.build(4, free) for spec in unit.specs()]
            self.assertEqual(len(specs), len({spec.port for spec in specs}))
            self.assertEqual(len(specs), len({spec.name for spec in specs}))

    def test_standard_ports_are_the_well_known_ones_in_the_first_region(self):
        ports = {s.name: s.port for unit in self.build(free=False) for s in unit.specs()}
        for name, port in {
            "keystone": 5000,
            "mistral": 8989,
            "swift-proxy": 8080,
            "heat": 8004,
            "glance": 9292,
            "ironic": 6385,
        }.items():
            self.assertEqual(port, ports[name])

    def test_everything_listens_and_is_reached_on_the_loopback_interface_alone(self):
        for unit in self.build():
            for spec in unit.specs():
                self.assertTrue(spec.url.startswith(f"http://{state.HOST}:"), spec.url)
            unit.configure()
        for file in self.directory.etc("x").parent.rglob("*.conf"):
            self.assertNotIn("0.0.0.0", file.read_text())

    def test_missing_package_is_told_with_what_to_do(self):
        unit = self.build()[0]
        unit.distribution = "no-such-distribution"
        error = self.assertRaises(exceptions.UndercloudError, lambda: unit.version)
        self.assertIn("pip install", error.message)


class Secrets(WithServices):
    def setUp(self):
        super().setUp()
        self.units = self.build()
        for unit in self.units:
            unit.configure()
        self.commands = [
            command
            for unit in self.units
            for command in (*unit.schema_commands(), *(s.command for s in unit.specs()))
        ]

    def test_no_command_line_holds_a_secret(self):
        self.assertGreater(len(self.secrets()), 5)
        for command in self.commands:
            for secret in self.secrets():
                self.assertNotIn(secret, " ".join(command.argv))

    def test_environment_of_a_process_that_stays_holds_no_secret(self):
        for unit in self.units:
            for spec in unit.specs():
                for secret in self.secrets():
                    self.assertNotIn(secret, str(dict(spec.command.env)))

    def test_configuration_is_for_its_owner_alone(self):
        files = [path for path in self.directory.root.rglob("*") if path.is_file()]
        self.assertGreater(len(files), 10)
        for path in files:
            if path.name != ".lock":
                self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode), path)
        for path in self.directory.root.rglob("*"):
            if path.is_dir() and path.parent == self.directory.root:
                self.assertEqual(0o700, stat.S_IMODE(path.stat().st_mode), path)

    def test_configuring_again_gives_the_same_files(self):
        def contents():
            root = self.directory.etc("x").parent
            return {path: path.read_text() for path in root.rglob("*") if path.is_file()}

        before = contents()
        for unit in services.build(state.StateDir(self.directory.root)):
            unit.configure()
        self.assertEqual(before, contents())

    def test_each_service_has_a_password_of_its_own(self):
        names = {unit.name for unit in self.units if unit.name != "keystone"}
        passwords = {self.directory.secret(f"user:{name}") for name in names}
        self.assertEqual(len(names), len(passwords))

    def test_mark_of_what_keystone_holds_changes_with_region_and_port_and_has_no_secret(self):
        one = identity.digest(self.units, self.directory.regions)
        self.assertEqual(one, identity.digest(self.units, self.directory.regions))
        self.assertNotEqual(one, identity.digest(self.units[:-1], self.directory.regions))
        self.assertNotEqual(one, identity.digest(self.units, ["regionOne"]))
        for secret in self.secrets():
            self.assertNotIn(secret, one)


class EncryptionKeys(WithServices):
    def setUp(self):
        super().setUp()
        self.mistral = next(unit for unit in self.build() if unit.name == "mistral")
        self.mistral.configure()
        self.path = self.directory.etc("mistral") / "encryption-keys"

    def test_file_has_one_key_and_is_for_its_owner_alone(self):
        (line,) = self.path.read_text().splitlines()
        fernet.Fernet(line)
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))

    def test_executor_finds_the_file(self):
        conf = cfg.ConfigOpts()
        conf.register_opts(config.OPTIONS, config.GROUP)
        conf(["--config-file", str(self.directory.etc("mistral") / "mistral.conf")])
        self.assertEqual(str(self.path), conf.tripleo.encryption_keys_file)

    def test_keys_stay_when_it_is_configured_again_rotated_ones_too(self):
        rotated = fernet.Fernet.generate_key().decode() + "\n" + self.path.read_text()
        self.path.write_text(rotated)
        self.mistral.configure()
        self.assertEqual(rotated, self.path.read_text())

    def test_key_is_of_this_undercloud_alone(self):
        other = state.StateDir(pathlib.Path(self.temporary()) / "u")
        other.create()
        other.regions = list(state.REGIONS[:1])
        for unit in services.build(other):
            unit.assign_ports(free=True)
            unit.configure()
        there = other.etc("mistral") / "encryption-keys"
        self.assertNotEqual(self.path.read_text(), there.read_text())

    def test_key_is_in_no_other_file(self):
        key = self.path.read_text().strip()
        for unit in self.build():
            unit.configure()
        for path in self.directory.root.rglob("*"):
            if path.is_file() and path != self.path:
                self.assertNotIn(key, path.read_text(), path)


class OptionsOfOnesOwn(WithServices):
    def setUp(self):
        super().setUp()
        self.units = {unit.name: unit for unit in self.build()}
        for name in ("keystone", "mistral"):
            self.units[name].configure()

    def write(self, name, file, text):
        path = self.directory.etc(name) / f"{name}.conf.d" / file
        path.write_text(text)
        return path

    def keystone_files(self):
        (spec,) = self.units["keystone"].specs()
        return spec.command.env["OS_KEYSTONE_CONFIG_FILES"].split(";")

    def test_keystone_reads_its_own_file_first_and_then_those_by_name(self):
        own = str(self.directory.etc("keystone") / "keystone.conf")
        self.assertEqual([own], self.keystone_files())
        second = self.write("keystone", "b.conf", "[token]\nexpiration = 5\n")
        first = self.write("keystone", "a.conf", "[token]\nexpiration = 6\nprovider = jws\n")
        self.write("keystone", "notes.txt", "not an option")
        self.assertEqual([own, str(first), str(second)], self.keystone_files())
        conf = cfg.ConfigOpts()
        conf.register_opts([cfg.IntOpt("expiration"), cfg.StrOpt("provider")], "token")
        conf([], default_config_files=self.keystone_files())
        self.assertEqual((5, "jws"), (conf.token.expiration, conf.token.provider))

    def test_its_commands_and_mistral_read_the_same_directory(self):
        for name, commands in (
            ("keystone", self.units["keystone"].schema_commands()),
            ("mistral", [spec.command for spec in self.units["mistral"].specs()]),
        ):
            for command in commands:
                at = command.argv.index("--config-dir")
                expected = self.directory.etc(name) / f"{name}.conf.d"
                self.assertEqual(str(expected), command.argv[at + 1])
                self.assertLess(command.argv.index("--config-file"), at)

    def test_they_stay_when_it_is_configured_again_and_are_for_their_owner_alone(self):
        for name in ("keystone", "mistral"):
            path = self.write(name, "mine.conf", "[DEFAULT]\ndebug = true\n")
            self.units[name].configure()
            self.assertEqual("[DEFAULT]\ndebug = true\n", path.read_text())
            self.assertEqual(0o700, stat.S_IMODE(path.parent.stat().st_mode))

    def test_keystones_links_follow_the_request(self):
        self.assertNotIn("endpoint", (self.directory.etc("keystone") / "keystone.conf").read_text())


class SwiftCache(base.TestCase):
    def setUp(self):
        super().setUp()
        self.clock = fakes.Clock()
        self.cache = swift_cache.Cache(self.clock)

    def test_value_is_kept_until_its_time_is_up(self):
        self.cache.set("a", {"x": 1}, time=10)
        self.clock.now += 9
        self.assertEqual({"x": 1}, self.cache.get("a"))
        self.clock.now += 1
        self.assertIsNone(self.cache.get("a"))

    def test_value_without_a_time_stays(self):
        self.cache.set("a", 1)
        self.clock.now += 10**9
        self.assertEqual(1, self.cache.get("a"))

    def test_deleted_or_unknown_value_is_none(self):
        self.cache.set("a", 1)
        self.cache.delete("a")
        self.cache.delete("never")
        self.assertIsNone(self.cache.get("a"))

    def test_counter_starts_at_nothing_and_does_not_fall_below(self):
        self.assertEqual(2, self.cache.incr("n", 2))
        self.assertEqual(1, self.cache.decr("n"))
        self.assertEqual(0, self.cache.decr("n", 5))

    def test_several_values_come_in_order(self):
        self.cache.set_multi({"a": 1, "b": 2}, "server", time=5)
        self.assertEqual([2, None, 1], self.cache.get_multi(["b", "c", "a"], "server"))
        self.clock.now += 5
        self.assertEqual([None], self.cache.get_multi(["a"]))

    def test_it_does_not_grow_for_ever(self):
        for number in range(25000):
            self.cache.set(str(number), number)
        kept = sum(self.cache.get(str(number)) is not None for number in range(25000))
        self.assertLessEqual(kept, 10000)
        self.assertEqual(24999, self.cache.get("24999"))

    def test_all_requests_of_a_process_share_one(self):
        seen = []
        wrap = swift_cache.filter_factory({})
        for _ in range(2):
            app = wrap(lambda environ, _start: seen.append(environ["swift.cache"]) or [b""])
            app({}, None)
        self.assertIs(seen[0], seen[1])
