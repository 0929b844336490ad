import gzip
import io
import os
import pathlib
import random
import tarfile

import ddt
import fixtures

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import tarball


def member(name, kind=tarfile.REGTYPE, content=b"", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    return info, content


class WithFiles(base.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.temporary())

    def archive(self, *members, mode="w:gz", name="plan.tar.gz"):
        path = self.root / name
        with tarfile.open(path, mode) as archive:
            for info, content in members:
                archive.addfile(info, io.BytesIO(content))
        return path

    def put(self, path, content=b""):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


class Pack(WithFiles):
    FILES = {"b.yaml": b"2", "a/ä.yaml": b"1", "e": b"", "long/" + "x" * 200: b"3"}

    def test_same_files_give_the_same_bytes_in_whatever_order(self):
        reverse = dict(reversed(self.FILES.items()))
        self.assertEqual(tarball.pack(self.FILES), tarball.pack(reverse))

    def test_packed_files_come_back(self):
        path = self.root / "x.tar.gz"
        path.write_bytes(tarball.pack(self.FILES))
        self.assertEqual(self.FILES, tarball.unpack(path))


@ddt.ddt
class Unpack(WithFiles):
    @ddt.data(
        member("a", tarfile.SYMTYPE, link="/etc/passwd"),
        member("a", tarfile.SYMTYPE, link="ok"),
        member("a", tarfile.LNKTYPE, link="ok"),
        member("a", tarfile.CHRTYPE),
        member("a", tarfile.BLKTYPE),
        member("a", tarfile.FIFOTYPE),
        member("/etc/cron.d/x", content=b"x"),
        member("../x", content=b"x"),
        member("a/../../x", content=b"x"),
        member("./../x", content=b"x"),
        member("file:///x", content=b"x"),
    )
    def test_link_device_or_path_that_leaves_is_refused(self, bad):
        path = self.archive(member("ok", content=b"fine"), bad)
        error = self.assertRaises(exceptions.PathInvalid, tarball.unpack, path)
        self.assertIn(bad[0].name[-3:], error.path)

    @ddt.data("w", "w:gz", "w:bz2", "w:xz")
    def test_any_compression_is_read(self, mode):
        path = self.archive(member("a", content=b"1"), member("d/b", content=b"2"), mode=mode)
        self.assertEqual({"a": b"1", "d/b": b"2"}, tarball.unpack(path))

    def test_one_directory_around_everything_is_taken_off(self):
        path = self.archive(
            member("tht-1.0", tarfile.DIRTYPE),
            member("tht-1.0/a", content=b"1"),
            member("tht-1.0/d/b", content=b"2"),
        )
        self.assertEqual({"a": b"1", "d/b": b"2"}, tarball.unpack(path))

    def test_only_one_directory_is_taken_off(self):
        path = self.archive(member("x/y/a", content=b"1"), member("x/y/b", content=b"2"))
        self.assertEqual({"y/a": b"1", "y/b": b"2"}, tarball.unpack(path))

    def test_directory_beside_a_file_stays(self):
        path = self.archive(member("./x/a", content=b"1"), member("./b", content=b"2"))
        self.assertEqual({"x/a": b"1", "b": b"2"}, tarball.unpack(path))

    def test_too_many_files_are_refused(self):
        self.set_options(plan_max_files=2)
        path = self.archive(*(member(f"f{n}") for n in range(3)))
        error = self.assertRaises(exceptions.LimitExceeded, tarball.unpack, path)
        self.assertEqual(("plan_max_files", 2), (error.option, error.limit))

    @ddt.data(
        ({"file_max_mib": 1}, [2**20 + 1], "file_max_mib"),
        ({"plan_max_mib": 1, "file_max_mib": 1}, [2**20, 2**20], "plan_max_mib"),
    )
    @ddt.unpack
    def test_too_much_is_refused_before_its_content_is_read(self, options, sizes, option):
        self.set_options(**options)
        reads = []
        real = tarfile.TarFile.extractfile

        def recorded(archive, info):
            reads.append(info.name)
            return real(archive, info)

        path = self.archive(*(member(f"f{n}", content=b"\0" * s) for n, s in enumerate(sizes)))
        self.useFixture(fixtures.MonkeyPatch("tarfile.TarFile.extractfile", recorded))
        error = self.assertRaises(exceptions.LimitExceeded, tarball.unpack, path)
        self.assertEqual(option, error.option)
        self.assertNotIn(f"f{len(sizes) - 1}", reads)

    @ddt.data(b"", b"not a tarball at all", b"\x1f\x8b\x08garbage", b"PK\x03\x04" + b"\0" * 600)
    def test_file_that_is_no_tarball_is_refused_by_name(self, content):
        self.put("x.tar.gz", content)
        error = self.assertRaises(exceptions.FileInvalid, tarball.unpack, self.root / "x.tar.gz")
        self.assertIn("x.tar.gz", error.message)

    @ddt.data("file", "bytes")
    def test_what_becomes_endless_when_unpacked_is_refused(self, kind):
        """A tar may end early: what follows is not read into memory or over to its end."""
        self.set_options(plan_max_mib=1, plan_max_files=10)
        bomb = gzip.compress(member("a")[0].tobuf() + bytes(2**20)) + gzip.compress(bytes(2**24))
        self.put("x.tgz", bomb)
        reader, *arguments = {
            "file": (tarball.unpack, self.root / "x.tgz"),
            "bytes": (tarball.unpack_bytes, bomb, "x.tgz"),
        }[kind]
        error = self.assertRaises(exceptions.LimitExceeded, reader, *arguments)
        self.assertEqual("plan_max_mib", error.option)
        self.assertIn("x.tgz", error.what)

    @ddt.data("chain", "sparse", "far")
    def test_headers_that_cannot_be_are_refused(self, kind):
        bad, _ = member("a")
        if kind == "chain":
            bad.type = tarfile.GNUTYPE_LONGNAME
        elif kind == "sparse":
            bad.pax_headers = {"GNU.sparse.map": "x,y"}
        else:
            bad.type, bad.size = tarfile.GNUTYPE_SPARSE, 2**80
        form = tarfile.PAX_FORMAT if kind == "sparse" else tarfile.GNU_FORMAT
        content = bad.tobuf(form) * (2000 if kind == "chain" else 1) + bytes(1024)
        for packed in (content, gzip.compress(content)):
            self.put("x", packed)
            self.assertRaises(exceptions.FileInvalid, tarball.unpack, self.root / "x")

    def test_errors_call_it_as_the_caller_does(self):
        path = self.archive(member("../x", content=b"x"))
        error = self.assertRaises(exceptions.PathInvalid, tarball.unpack, path, "https://h/d/p.tgz")
        self.assertEqual(("../x", "https://h/d/p.tgz"), (error.path, error.referrer))

    def test_file_that_is_not_there_is_a_typed_error(self):
        self.assertRaises(exceptions.FileInvalid, tarball.unpack, self.root / "none")

    @ddt.data("w:gz", "w:xz", "w:bz2")
    def test_damaged_tarball_is_refused(self, mode):
        path = self.archive(member("a", content=random.Random(1).randbytes(100000)), mode=mode)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        self.assertRaises(exceptions.FileInvalid, lambda: len(tarball.unpack(path)))

    @ddt.data("w:gz", "w:xz", "w:bz2")
    def test_truncated_tarball_is_refused(self, mode):
        path = self.archive(member("a", content=random.Random(1).randbytes(100000)), mode=mode)
        path.write_bytes(path.read_bytes()[:50000])
        self.assertRaises(exceptions.FileInvalid, lambda: len(tarball.unpack(path)))


@ddt.ddt
class ReadTree(WithFiles):
    def setUp(self):
        super().setUp()
        self.tree = self.root / "tree"
        self.put("tree/a.yaml", b"1")
        self.put("tree/d/b.yaml", b"2")
        self.put("outside/secret", b"s")

    def test_files_are_read_with_their_paths(self):
        self.assertEqual({"a.yaml": b"1", "d/b.yaml": b"2"}, tarball.read_tree(self.tree))

    def test_hidden_files_and_directories_are_left_out(self):
        self.put("tree/.git/config", b"x")
        self.put("tree/.hidden", b"x")
        self.put("tree/d/.e/f", b"x")
        self.assertEqual(["a.yaml", "d/b.yaml"], sorted(tarball.read_tree(self.tree)))

    def test_link_to_a_file_inside_is_its_content(self):
        (self.tree / "l.yaml").symlink_to("d/b.yaml")
        self.assertEqual(b"2", tarball.read_tree(self.tree)["l.yaml"])

    @ddt.data("../outside/secret", "../outside", "/etc/passwd", "/etc", "../outside/none", "..")
    def test_link_that_leads_out_is_refused(self, target):
        (self.tree / "link").symlink_to(target)
        error = self.assertRaises(exceptions.PathInvalid, tarball.read_tree, self.tree)
        self.assertEqual("link", error.path)

    @ddt.data("none", "loop")
    def test_link_to_nothing_is_refused(self, target):
        (self.tree / "loop").symlink_to(target)
        self.assertRaises(exceptions.PathInvalid, tarball.read_tree, self.tree)

    def test_what_is_no_file_is_refused(self):
        os.mkfifo(self.tree / "pipe")
        self.assertRaises(exceptions.PathInvalid, tarball.read_tree, self.tree)

    def test_too_many_files_are_refused(self):
        self.set_options(plan_max_files=1)
        self.assertRaises(exceptions.LimitExceeded, tarball.read_tree, self.tree)

    def test_too_large_a_file_is_refused(self):
        self.set_options(file_max_mib=1)
        self.put("tree/big", b"\0" * (2**20 + 1))
        error = self.assertRaises(exceptions.LimitExceeded, tarball.read_tree, self.tree)
        self.assertEqual("big", error.what)
