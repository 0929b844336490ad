import json
import random
import subprocess
import sys

import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.baremetal import inventory, root_device

GIB = 2**30
NODE = "node-1 (UUID 1be26c0b-03f2-4d2e-ae87-c02d7f33c123)"


def disk(name, gib=100, **keys):
    """Return a disk as the ramdisk describes it; sizes may be fractions."""
    return {"name": name, "size": int(gib * GIB), **keys}


def known(name, gib=100, **keys):
    """Return a disk that has a WWN of its own."""
    return disk(name, gib, wwn=f"0x5000{name.encode().hex()}", **keys)


def facts(*disks):
    return inventory.facts({"disks": list(disks)}, {})


def choose(wanted, *disks, minimum_size=4):
    return root_device.choose(NODE, facts(*disks), wanted, minimum_size)


IRONIC = """
import json, sys
from ironic.common import utils
found = []
for disks, hints in json.load(sys.stdin):
    chosen = utils.match_root_device_hints(disks, hints)
    found.append(chosen and chosen["name"])
json.dump(found, sys.stdout)
"""
"""Says which disk Ironic takes. Its options and those of other services cannot share a process."""


@ddt.ddt
class Choose(base.TestCase):
    def refused(self, wanted, *disks, minimum_size=4):
        error = self.assertRaises(
            exceptions.RootDeviceNotFound, choose, wanted, *disks, minimum_size=minimum_size
        )
        self.assertIn(NODE, error.message)
        for one in disks:
            self.assertIn(f"{one['name']} ({one['size'] // GIB} GiB)", error.message)
        json.dumps(error.to_dict())
        return error.message

    @ddt.data(
        ("smallest", "/dev/sdc"),
        ("largest", "/dev/sdd"),
        ("sdb", "/dev/sdb"),
        ("/dev/sdb", "/dev/sdb"),
        ("vda,sde, sdd ,sdb", "/dev/sdd"),
        ("sda,sdb", "/dev/sdb"),
        ("wwn:0X50002f6465762f736463", "/dev/sdc"),
        ("wwn: 0x50002f6465762f736463 ", "/dev/sdc"),
    )
    @ddt.unpack
    def test_ways_to_choose(self, wanted, name):
        disks = (
            known("/dev/sda", 3.9),
            known("/dev/sdb", 200),
            known("/dev/sdc", 4),
            known("/dev/sdd", 300.5),
        )
        for order in (disks, disks[::-1]):
            found = choose(wanted, *order)
            self.assertEqual(name, found.name)
            self.assertEqual({"wwn": f"0x5000{name.encode().hex()}"}, found.hints)
        sizes = {"/dev/sdb": 200, "/dev/sdc": 4, "/dev/sdd": 300}
        self.assertEqual(sizes[name], found.size_gib)

    def test_same_size_is_told_apart_by_name(self):
        disks = [known("sdc"), known("sda"), known("sdb")]
        for order in (disks, disks[::-1]):
            self.assertEqual("sda", choose("smallest", *order).name)
            self.assertEqual("sda", choose("largest", *order).name)

    def test_a_byte_makes_a_size(self):
        disks = [{**known("sda", 10), "size": 10 * GIB + 1}, known("sdb", 10)]
        self.assertEqual("sdb", choose("smallest", *disks).name)
        self.assertEqual("sda", choose("largest", *disks).name)

    def test_names_of_a_bmc(self):
        disks = [known("Physical Disk 0:1:0"), known("Physical Disk 0:1:1")]
        self.assertEqual("Physical Disk 0:1:1", choose("Physical Disk 0:1:1", *disks).name)

    @ddt.data(
        ({"wwn_with_extension": "w0e", "wwn": "w0", "serial": "s0"}, "wwn_with_extension"),
        ({"wwn": "w0", "serial": "s0", "by_path": "/p0"}, "wwn"),
        ({"serial": "s0", "by_path": "/p0", "hctl": "0:0:0:0", "model": "m"}, "serial"),
        ({"by_path": "/dev/disk/by-path/p0", "hctl": "0:0:0:0", "model": "m"}, "by_path"),
        # The other disk has these, too.
        ({"wwn": "w1", "serial": "s0"}, "serial"),
        ({"wwn": " W1E ", "serial": "S1", "by_path": "/p0"}, "wwn"),
        ({"wwn_with_extension": "W1E", "serial": "S1", "by_path": "/p0"}, "by_path"),
        # Ironic takes these for expressions.
        ({"wwn": "=5000", "serial": "s0"}, "serial"),
        ({"wwn": "<in> 5", "serial": "s<1", "by_path": "/p0"}, "by_path"),
    )
    @ddt.unpack
    def test_hint_is_the_best_that_no_other_disk_has(self, keys, hint):
        other = disk("sdb", wwn_with_extension="w1e", wwn="w1", serial="s1", by_path="/p1")
        found = choose("sda", other, disk("sda", **keys))
        self.assertEqual({hint: keys[hint].strip()}, found.hints)

    def test_disk_that_nothing_tells_apart(self):
        for disks in (
            [disk("sda"), known("sdb")],
            [disk("sda", serial="x"), disk("sdb", serial="X")],
            # Ironic makes this of what a disk does not have.
            [disk("sda", serial="None"), disk("sdb")],
            [disk("sda", model="m", hctl="0:0:0:0", wwn_vendor_extension="1"), known("sdb")],
            [disk("sda", serial="x"), disk("sda", serial="x")],
        ):
            for wanted in ("sda", "smallest"):
                message = self.refused(wanted, *disks)
                self.assertIn("sda, but it has no WWN, no serial number and no path", message)

    def test_small_disks_are_passed_over(self):
        disks = [known("sda", 10), known("sdb", 99.99)]
        for wanted in ("smallest", "largest", "sda,sdb"):
            message = self.refused(wanted, *disks, minimum_size=100)
            self.assertIn("of at least 100 GiB (too small: sda, sdb)", message)
        for wanted in ("sdb", "wwn:0x5000736462", {"name": "sdb"}):
            message = self.refused(wanted, *disks, minimum_size=100)
            self.assertIn("of at least 100 GiB (too small: sdb)", message)
            self.assertEqual("sdb", choose(wanted, *disks, minimum_size=99).name)

    def test_small_disk_that_ironic_would_take_is_not_passed_over(self):
        message = self.refused({"size": "> 1"}, known("sda", 2), known("sdb", 9))
        self.assertIn("of at least 4 GiB (too small: sda)", message)

    @ddt.data(
        ("smallest", "the smallest"),
        ("largest", "the largest"),
        ("vdb,vdc", "the first of 'vdb, vdc'"),
        ("wwn:0xff", "the one with wwn '0xff'"),
        ("serial:abc", "the one with serial 'abc'"),
        ({"rotational": True, "size": 5}, "the first with rotational True, size 5"),
    )
    @ddt.unpack
    def test_nothing_is_there(self, wanted, words):
        message = self.refused(wanted)
        self.assertIn(f"wanted was {words}, of at least 4 GiB, there are: none.", message)
        self.assertIn(f"wanted was {words}, there", self.refused(wanted, minimum_size=0))
        self.assertRaises(
            exceptions.RootDeviceNotFound, root_device.choose, NODE, {"error": "x"}, wanted, 0
        )

    def test_serial_and_wwn_must_be_of_one_disk(self):
        disks = [
            disk("sda", wwn="w", wwn_with_extension="w1", serial="s", by_path="/1"),
            disk("sdb", wwn="w", wwn_with_extension="w2", serial="S", by_path="/2"),
            disk("sdc", serial="t"),
        ]
        self.assertEqual({"wwn_with_extension": "w2"}, choose("wwn:W2", *disks).hints)
        self.assertEqual({"serial": "t"}, choose("serial:T", *disks).hints)
        for wanted in ("wwn:w", "serial:s"):
            self.assertIn("(not one: sda, sdb)", self.refused(wanted, *disks))

    @ddt.data(
        None,
        "",
        " ",
        ",",
        "sda,",
        "sda,,sdb",
        "/dev/",
        "wwn:",
        "serial: ",
        5,
        True,
        ["sda"],
        b"sda",
        "x" * 5000,
        {},
        {"size": 0},
        {"disk": "sda"},
        {5: 5},
        {None: None},
    )
    def test_no_way_to_choose(self, wanted):
        error = self.assertRaises(exceptions.InputInvalid, choose, wanted, known("sda"))
        self.assertEqual("root_device", error.name)
        self.assertLess(len(error.message), 1000)
        if wanted is not None:
            self.assertRaises(exceptions.InputInvalid, root_device.check, wanted, 4)

    @ddt.data(None, -1, 1.5, "4", True, [], float("nan"))
    def test_no_minimum(self, minimum):
        for wanted in ("smallest", {"name": "sda"}, "nonsense"):
            error = self.assertRaises(
                exceptions.InputInvalid, choose, wanted, known("sda"), minimum_size=minimum
            )
            self.assertEqual("minimum_size", error.name)
        error = self.assertRaises(exceptions.InputInvalid, root_device.check, None, minimum)
        self.assertEqual("minimum_size", error.name)

    def test_way_to_choose_is_checked_without_disks(self):
        for wanted in ("smallest", "sda,vda", "wwn:x", {"name": "sda"}, None):
            self.assertIsNone(root_device.check(wanted, 4))

    def test_local_gb_leaves_a_gib(self):
        self.assertEqual([0, 0, 99], [root_device.local_gb(size) for size in (0, 1, 100)])


@ddt.ddt
class Hints(base.TestCase):
    """Mappings of hints, as Ironic's ``properties.root_device`` takes them."""

    DISKS = (
        disk("/dev/sda", 100, rotational=True, vendor="ATA", model="Samsung SSD 870", serial="A1"),
        disk("/dev/sdb", 100.5, rotational=False, vendor="ata", model="INTEL", serial="a2"),
        disk(
            "/dev/nvme0n1",
            931.5,
            rotational=False,
            model="Micron 7450",
            serial="5",
            wwn_vendor_extension="0x1f",
        ),
        disk("/dev/sdz", 5, hctl="6:0:0:0", wwn="0x5", by_path="/dev/disk/by-path/x"),
    )

    GOOD = (
        ({"name": "/dev/sdb"}, 1),
        ({"name": "s== /DEV/SDB"}, 1),
        ({"model": "samsung ssd 870"}, 0),
        ({"model": " s==  Samsung SSD 870 "}, 0),
        ({"model": "<in> SSD"}, 0),
        ({"model": "s!= Samsung SSD 870"}, 1),
        ({"model": "<or> intel <or> Micron 7450"}, 1),
        ({"model": "<or> Micron 7450"}, 2),
        ({"model": "s> j"}, 0),
        ({"model": "s< j"}, 1),
        ({"model": "s>= samsung ssd 870"}, 0),
        ({"model": "s<= intel"}, 1),
        ({"vendor": "ata", "rotational": False}, 1),
        ({"rotational": "no"}, 1),
        ({"rotational": " TRUE "}, 0),
        *(({"rotational": word}, 0) for word in ("1", "t", "on", "y", "Yes")),
        *(({"rotational": word}, 1) for word in ("0", "f", "off", "n", "false")),
        ({"size": 100}, 0),
        ({"size": "100"}, 0),
        ({"size": "== 100"}, 0),
        ({"size": ">100"}, 1),
        ({"size": ">= 101"}, 2),
        ({"size": "= 900"}, 2),
        ({"size": "< 6"}, 3),
        ({"size": " <= 5"}, 3),
        ({"size": "!= 100"}, 1),
        ({"size": "<range-in> [ 100.5 900 ]"}, 1),
        ({"size": "<range-in> ( 100 931.5 ]", "model": "<in> micron"}, 2),
        ({"size": "<range-in>[ 5 100 )"}, 3),
        ({"size": "<range-in> [ 5 5 ]"}, 3),
        ({"hctl": "6:0:0:0"}, 3),
        ({"wwn_vendor_extension": "<in> 0x1"}, 2),
        ({"model": f"<or> {'x' * 238} <or> intel"}, 1),
        ({"wwn": "0X5"}, 3),
        ({"by_path": "<in> by-path"}, 3),
        # What a disk does not have is none, as text.
        ({"vendor": "s!= ata"}, 2),
        ({"hctl": "none"}, 0),
        # Ironic looks for parts in percent-encoded text.
        ({"model": "<in> 20"}, 0),
        ({"serial": "a3"}, None),
        ({"size": 101}, None),
        ({"size": "<range-in> ( 931.5 1000 )"}, None),
        ({"rotational": True, "vendor": "s!= ata"}, None),
    )

    @ddt.data(*GOOD)
    @ddt.unpack
    def test_first_disk_that_fits_is_taken_and_hints_stay(self, hints, index):
        self.assertEqual([], root_device.faults(hints))
        if index is None:
            self.assertRaises(
                exceptions.RootDeviceNotFound, choose, hints, *self.DISKS, minimum_size=0
            )
            return
        found = choose(hints, *self.DISKS, minimum_size=0)
        self.assertEqual((self.DISKS[index]["name"], hints), (found.name, found.hints))

    def test_ironic_takes_the_same_disks(self):
        chosen = random.Random(7)
        cases = [(list(self.DISKS), hints) for hints, _ in self.GOOD]
        for _ in range(400):
            disks = [self.some_disk(chosen, name) for name in ("/dev/sda", "/dev/sdb", "/dev/sdc")]
            hints = dict(self.some_hint(chosen) for _ in range(chosen.choice((1, 1, 2, 3))))
            if not root_device.faults(hints):
                cases.append((disks, hints))
        self.assertGreater(len(cases), 200)
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", IRONIC],
            input=json.dumps(cases),
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(0, told.returncode, told.stderr)
        names = json.loads(told.stdout)
        for (disks, hints), name in zip(cases, names, strict=True):
            try:
                found = choose(hints, *disks, minimum_size=0).name
            except exceptions.RootDeviceNotFound:
                found = None
            self.assertEqual(name, found, f"{hints} of {disks}")
        self.assertGreater(sum(name is not None for name in names), 50)

    WORDS = ("a", "B", "ab", "a b", "10", "none", "x%20", "\u00e4", "a>=b", "s==", "<in>", "z/")

    def some_disk(self, chosen, name):
        texts = ("model", "vendor", "serial", "wwn", "hctl")
        # Where a disk's own text begins like an operator, Ironic takes it for one.
        words = [*self.WORDS[:9], *self.WORDS[11:], None]
        return disk(
            name,
            chosen.choice((1, 9.5, 10, 10.25, 100)),
            rotational=chosen.choice((True, False)),
            **{key: chosen.choice(words) for key in texts},
        )

    def some_hint(self, chosen):
        name = chosen.choice(("model", "vendor", "serial", "wwn", "hctl", "size", "rotational"))
        signs = ("", "s==", "s!=", "s<", "s<=", "s>", "s>=", "<in>", "<or>", "==", "=", "<all-in>")
        if name == "size":
            signs = ("", "==", "!=", "=", "<", "<=", ">", ">=", "<range-in>", "s==", "<or>", "<in>")
        sign, gap = chosen.choice(signs), chosen.choice(("", " ", "  "))
        words = ("1", "9", "10", "11", "100") if name == "size" else self.WORDS
        value = f"{sign}{gap}{chosen.choice(words)}"
        if sign == "<or>" and chosen.random() < 0.7:
            value += f" <or> {chosen.choice(words)}"
        if sign == "<range-in>":
            low, high = sorted(chosen.sample((1, 9.5, 10, 11, 100), 2))
            value = f"{sign} {chosen.choice('[(')} {low} {high} {chosen.choice('])')}"
        if name == "rotational":
            value = chosen.choice((True, False, "true", "No", "0", "maybe"))
        elif name == "size" and not sign and chosen.random() < 0.5:
            value = int(value)
        return name, value

    BAD = (
        ("size", "0"),
        ("size", 0),
        ("size", -5),
        ("size", 10.5),
        ("size", "10.5"),
        ("size", True),
        ("size", None),
        ("size", ""),
        ("size", "big"),
        ("size", ">="),
        ("size", ">= 10 20"),
        ("size", ">= -1"),
        ("size", ">= 1e3"),
        ("size", "s== 10"),
        ("size", "<in> 10"),
        # Ironic compares a number with texts here, so that nothing is ever found.
        ("size", "<or> 10 <or> 20"),
        ("size", "<range-in> [10 20]"),
        ("size", "<range-in> [ 20 10 ]"),
        ("size", "<range-in> [ 10 ]"),
        ("size", "<range-in> [ 10 20 ] 5"),
        ("size", "<RANGE-IN> [ 10 20 ]"),
        ("size", "\u0661\u0660"),
        ("size", 10**5000),
        ("size", "9" * 5000),
        ("size", [10]),
        ("rotational", "maybe"),
        ("rotational", ""),
        ("rotational", 1),
        ("rotational", None),
        ("rotational", {}),
        ("serial", 12345),
        ("serial", None),
        ("serial", True),
        ("serial", ["x"]),
        ("serial", ""),
        ("serial", "  "),
        ("serial", "s=="),
        ("serial", "s== s== x"),
        ("serial", "s== a s== b"),
        ("serial", "<in> <in>"),
        ("serial", "<or>"),
        ("serial", "<or> a <or>"),
        ("serial", "<or> <in> a"),
        ("serial", ">= 5"),
        ("serial", "== 5"),
        ("serial", "= 5"),
        ("serial", "< 5"),
        # Ironic fails on what is no list in Python's writing, and disks have none.
        ("serial", "<all-in> a b"),
        ("serial", "<range-in> [ 1 2 ]"),
        ("serial", "x" * 256),
        ("serial", "a\x00b"),
        ("serial", "\ud800"),
        ("name", "\x1b[2J"),
        ("disk", "sda"),
        ("local_gb", 5),
        ("\x1b[2J", 5),
        ("x" * 5000, 5),
        (5, 5),
        (None, 5),
        (("size",), 5),
    )

    def test_hint_that_is_wrong(self):
        for hint, expression in self.BAD:
            found = root_device.faults({"vendor": "x", hint: expression})
            self.assertEqual(1, len(found), hint)
            self.assertEqual([str] * 3, [type(part) for part in found[0]])
            error = self.assertRaises(
                exceptions.InputInvalid, choose, {hint: expression}, known("sda"), minimum_size=0
            )
            self.assertIn(found[0][0], error.message)
            self.assertTrue(error.message.isprintable())
            self.assertLess(len(error.message), 600)

    def test_all_faults_are_told(self):
        found = root_device.faults({"size": "x", "disk": "y", "rotational": "z", "name": "sda"})
        self.assertEqual(["size", "'disk'", "rotational"], [hint for hint, _, _ in found])
        self.assertEqual("is 'x'", found[0][1])
        self.assertIn("whole number of GiB", found[0][2])
        self.assertIn("wwn_with_extension", found[1][2])
        self.assertEqual("allowed is true or false", found[2][2])

    @ddt.data(None, {}, [], "sda", 5, [("size", 5)])
    def test_no_hints(self, hints):
        ((hint, _, allowed),) = root_device.faults(hints)
        self.assertEqual("root_device", hint)
        self.assertIn("by_path", allowed)
