"""Read subunit from standard input; print how many tests passed and how many failed."""

import sys

import subunit
import testtools


class _Counter(testtools.StreamResult):  # type: ignore[misc]
    passed = failed = 0

    def status(
        self, test_id: str | None = None, test_status: str | None = None, **_: object
    ) -> None:
        """Count a test when it has ended."""
        self.passed += test_status in ("success", "xfail")
        self.failed += test_status in ("fail", "uxsuccess")


def main() -> None:
    """Count."""
    counter = _Counter()
    subunit.ByteStreamToStreamResult(sys.stdin.buffer).run(counter)
    print(counter.passed, counter.failed)


if __name__ == "__main__":
    main()
