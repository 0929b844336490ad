"""``tripleo.heat_capabilities.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common.actions import base
from tripleo_common.plan import settings


class Get(base.Action):
    """Return the environments that a plan offers, by topic, with what each requires.

    Each says whether it is chosen (enabled). Those that the capabilities map does not name are
    under Other.
    """

    container: str = "overcloud"

    def perform(self, request: base.Request) -> dict[str, Any]:
        found = settings.get_capabilities(request.plans, self.container)
        return request.answer(self.container, "capabilities", found)


class Update(base.ChangeAction):
    """Choose environments: environments maps paths to true or false.

    purge_missing drops those that are not mentioned; sort_environments puts each behind what it
    requires. A choice that breaks rules of the capabilities map is refused, and the rules are
    named. Result: environments (in order) and revision.
    """

    environments: dict[str, bool]
    container: str = "overcloud"
    purge_missing: bool = False
    sort_environments: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        return settings.update_capabilities(
            request.plans,
            self.container,
            self.environments,
            self.change(request),
            purge_missing=self.purge_missing,
            sort_environments=self.sort_environments,
        )
