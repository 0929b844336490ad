"""A plan's environment: the Mistral environment of the plan's name.

Its variables are ``template`` (path), ``environments`` (list of ``{"path": ...}``, least important
first; clients also put ``{"data": {...}}``), ``parameter_defaults``, ``passwords`` and ``rendered``
(paths of the files that rendering made).
"""

from __future__ import annotations

import json
from typing import Any

from mistralclient.api import base as mistral_base

from tripleo_common import clouds, exceptions

DESCRIPTION = "Deployment plan"


def read(home: clouds.Cloud, name: str) -> dict[str, Any] | None:
    """Return an environment's variables, or None if there is no such environment."""
    try:
        found = home.mistral.environments.get(name)
    except mistral_base.APIException as error:
        if _is(error, 404):
            return None
        raise
    variables = found.variables
    if isinstance(variables, str):
        variables = json.loads(variables)
    return dict(variables)


def create(
    home: clouds.Cloud, plan: str, variables: dict[str, Any], description: str = DESCRIPTION
) -> None:
    """Make one; of two who try at once, one succeeds.

    :raises PlanExists: it is there already.
    """
    try:
        home.mistral.environments.create(
            name=plan, description=description, variables=json.dumps(variables)
        )
    except mistral_base.APIException as error:
        if _is(error, 409):
            raise exceptions.PlanExists(plan, "Mistral environment") from error
        raise


def write(home: clouds.Cloud, plan: str, variables: dict[str, Any]) -> None:
    """Replace a plan's variables."""
    home.mistral.environments.update(name=plan, variables=json.dumps(variables))


def delete(home: clouds.Cloud, plan: str) -> None:
    """Remove one; nothing happens if it is not there."""
    try:
        home.mistral.environments.delete(plan)
    except mistral_base.APIException as error:
        if not _is(error, 404):
            raise


def descriptions(home: clouds.Cloud) -> dict[str, str]:
    """Return name and description of all environments of the project, with one request."""
    listed = home.mistral.environments.list(fields=["name", "description"])
    return {found.name: getattr(found, "description", None) or "" for found in listed}


def _is(error: mistral_base.APIException, status: int) -> bool:
    return str(error.error_code) == str(status)
