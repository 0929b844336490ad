"""Several regions and several clouds: underclouds, and what tests put in front of them.

Whatever a test changes in a shared undercloud is a fixture that puts it back. A test that restarts
or stops services, or adds a region, uses :class:`Claim` first: others may use the same undercloud.
"""

import fcntl
import functools
import urllib.parse
import uuid

import fixtures
import yaml
from keystoneauth1 import adapter

from tests.functional import base, proxy
from tripleo_common.undercloud import processes, state

INTERFACES = ("public", "internal", "admin")

_SPARE = ["ironic", "glance"]
"""Services that these tests do not need."""


@functools.cache
def two_regions():
    """Return the shared undercloud with ``regionOne`` and ``regionTwo``, up.

    ``TRIPLEO_TEST_REGIONS_STATE_DIR`` names one that is up already.
    """
    return base.shared("TRIPLEO_TEST_REGIONS_STATE_DIR", regions=2, without=_SPARE)


@functools.cache
def edge():
    """Return the shared undercloud that is another cloud, with a Keystone of its own, up.

    ``TRIPLEO_TEST_EDGE_STATE_DIR`` names one that is up already.
    """
    return base.shared("TRIPLEO_TEST_EDGE_STATE_DIR", regions=1, without=_SPARE)


def restart(undercloud, *names):
    """End processes of an undercloud (names as ``status`` shows them) and start them anew.

    They take what is then in their ``*.conf.d`` directories. Returns when every service answers.
    """
    processes.stop(names, undercloud.directory)
    undercloud.up()
    for name in names:
        if not processes.find(name, undercloud.directory):
            raise ValueError(f"{undercloud.directory.root} has no process {name}")


class Claim(fixtures.Fixture):
    """Underclouds for one test alone, among all tests that use this fixture; once in a test."""

    def __init__(self, *underclouds, alone=True):
        """Say which.

        :param alone: False for a test that only must not meet one that wants to be alone.
        """
        super().__init__()
        self._mode = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        # Always in the same order, or two tests would wait for each other.
        self._paths = sorted(u.directory.root / "run" / ".claim" for u in underclouds)

    def _setUp(self):
        for path in self._paths:
            stream = path.open("w")
            self.addCleanup(stream.close)
            fcntl.flock(stream, self._mode)


class Options(fixtures.Fixture):
    """Further options of Keystone or Mistral, which is restarted with them, and without at the end.

    ``Options(edge(), "keystone", {"token": {"expiration": 5}})`` makes tokens live for 5 seconds.
    """

    def __init__(self, undercloud, service, sections):
        """Give the options by section; they win over the undercloud's own."""
        super().__init__()
        self._undercloud = undercloud
        self._service = service
        self._sections = sections
        directory = undercloud.directory.etc(service) / f"{service}.conf.d"
        self._path = directory / f"test-{uuid.uuid4().hex}.conf"

    def _setUp(self):
        self.addCleanup(self._remove)
        state.write_ini(self._path, self._sections)
        restart(self._undercloud, self._service)

    def _remove(self):
        self._path.unlink(missing_ok=True)
        restart(self._undercloud, self._service)


class Fronts(fixtures.Fixture):
    """A region whose endpoints are proxies before the services of another region.

    Keystone has a proxy as well, for :attr:`auth_url`. Its endpoint in the region is the plain one
    unless ``identity`` is among the services: Heat works with the Keystone of the region that a
    client names, so it would be counted too, fail with the proxy, and have to know the authority.

    :ivar proxies: service type to :class:`tests.functional.proxy.Proxy`.
    """

    def __init__(
        self,
        undercloud,
        region,
        services=("object-store", "orchestration"),
        *,
        behind=None,
        certificate=None,
    ):
        """Say what to put in front of which services.

        :param region: name of the new region, such as ``watched``.
        :param services: types of the services that the region has.
        :param behind: the region whose services these are; the first one if not given.
        :param certificate: makes the region one of ``https`` endpoints.
        """
        super().__init__()
        self._undercloud = undercloud
        self._region = region
        self._services = services
        self._behind = behind or undercloud.directory.regions[0]
        self._certificate = certificate

    @property
    def auth_url(self):
        """URL of Keystone's v3 API through its proxy."""
        return f"{self.proxies['identity'].url}/v3"

    def clear(self):
        """Forget the requests to all services so far; return them by service type."""
        return {kind: before.clear() for kind, before in self.proxies.items()}

    def _setUp(self):
        self.proxies = {}
        self._keystone = _identity(self._undercloud)
        # Of a run that was killed.
        self._remove()
        self.addCleanup(self._remove)
        self._keystone.post("/regions", json={"region": {"id": self._region}})
        types = {s["id"]: s["type"] for s in self._keystone.get("/services").json()["services"]}
        for endpoint in self._endpoints(self._behind):
            kind = types[endpoint["service_id"]]
            if kind in (*self._services, "identity") and endpoint["interface"] == "public":
                self._publish(kind, endpoint)
        if missing := set(self._services) - set(self.proxies):
            raise ValueError(f"{self._behind} has no {', '.join(sorted(missing))}")

    def _publish(self, kind, endpoint):
        before = proxy.Proxy(endpoint["url"], self._certificate)
        self.addCleanup(before.close)
        self.proxies[kind] = before
        url = endpoint["url"]
        for interface in INTERFACES:
            copy = {
                "service_id": endpoint["service_id"],
                "interface": interface,
                "region_id": self._region,
                # Kept as it is, also what Keystone puts in place of %(project_id)s.
                "url": before.through(url) if kind in self._services else url,
            }
            self._keystone.post("/endpoints", json={"endpoint": copy})

    def _endpoints(self, region):
        answer = self._keystone.get(f"/endpoints?region_id={urllib.parse.quote(region)}")
        return answer.json()["endpoints"]

    def _remove(self):
        for endpoint in self._endpoints(self._region):
            self._keystone.delete(f"/endpoints/{endpoint['id']}")
        path = f"/regions/{urllib.parse.quote(self._region)}"
        self._keystone.delete(path, raise_exc=False)


class NamedCloud(fixtures.Fixture):
    """A cloud in the ``clouds.yaml`` of an undercloud's executors, for as long as it is used."""

    def __init__(self, undercloud, name, entry):
        """Give the entry; see :func:`by_password` and :class:`ApplicationCredential`."""
        super().__init__()
        self._file = clouds_yaml(undercloud)
        self._lock = undercloud.directory.root / "run" / ".clouds"
        self._name = name
        self._entry = entry

    def _setUp(self):
        self.addCleanup(self._change, None)
        self._change(self._entry)

    def _change(self, entry):
        # Tests of other workers add and remove theirs.
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = yaml.safe_load(self._file.read_text())
            content["clouds"].pop(self._name, None)
            if entry is not None:
                content["clouds"][self._name] = entry
            state.write_private(self._file, yaml.safe_dump(content, sort_keys=False))


def clouds_yaml(undercloud):
    """Return the file with the clouds that actions of an undercloud can name."""
    return undercloud.directory.etc("mistral") / "clouds.yaml"


def by_password(undercloud, region=None, *, auth_url=None, cacert=None):
    """Return an entry of ``clouds.yaml`` for an undercloud's administrator.

    :param region: the entry's region; without one the entry names none.
    :param auth_url: another way to its Keystone, such as :attr:`Fronts.auth_url`.
    :param cacert: path of the certificate authority that its endpoints are signed by.
    """
    auth = dict(undercloud.directory.credentials())
    return _entry(auth, region, auth_url, cacert)


class ApplicationCredential(fixtures.Fixture):
    """An application credential of an undercloud's administrator.

    Recent versions of Keystone let none make the trusts that Heat works with.
    """

    def __init__(self, undercloud):
        """Say whose."""
        super().__init__()
        self._undercloud = undercloud

    def _setUp(self):
        self._keystone = _identity(self._undercloud)
        path = f"/users/{self._keystone.get_user_id()}/application_credentials"
        wanted = {"name": f"test-{uuid.uuid4().hex}"}
        made = self._keystone.post(path, json={"application_credential": wanted}, log=False)
        self._made = made.json()["application_credential"]
        self.addCleanup(self.revoke)

    def revoke(self):
        """Delete it; tokens that were made with it are no longer valid."""
        path = f"/users/{self._keystone.get_user_id()}/application_credentials"
        self._keystone.delete(f"{path}/{self._made['id']}", raise_exc=False)

    def entry(self, region=None, *, auth_url=None, cacert=None):
        """Return an entry of ``clouds.yaml`` with it; see :func:`by_password`."""
        auth = {
            "auth_url": self._undercloud.directory.credentials()["auth_url"],
            "application_credential_id": self._made["id"],
            "application_credential_secret": self._made["secret"],
        }
        return _entry(auth, region, auth_url, cacert, auth_type="v3applicationcredential")


def _entry(auth, region, auth_url, cacert, **more):
    if auth_url:
        auth["auth_url"] = auth_url
    return {
        "auth": auth,
        "identity_api_version": "3",
        "interface": "public",
        **({"region_name": region} if region else {}),
        **({"cacert": str(cacert)} if cacert else {}),
        **more,
    }


def _identity(undercloud):
    region = undercloud.directory.regions[0]
    return adapter.Adapter(
        undercloud.session(), service_type="identity", interface="public", region_name=region
    )
