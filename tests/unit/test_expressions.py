import importlib.metadata

import ddt

from tests.unit import base
from tripleo_common import exceptions, expressions

ERROR = {"type": "PlanNotFound", "message": "There is no plan.", "details": {"plan": "x"}}
NO_REASON = "The workflow failed without a reason; see its tasks."


@ddt.ddt
class TripleOError(base.TestCase):
    @ddt.data(
        (ERROR, ERROR),
        ({"result": ERROR}, ERROR),
        ({"error": ERROR}, ERROR),
        ({"status": "FAILED", "message": "m", "error": ERROR}, ERROR),
        ({"result": {"status": "FAILED", "message": "m", "error": ERROR}}, ERROR),
        ({"result": {"result": ERROR}}, ERROR),
        ({"message": "m"}, {"type": "InternalError", "message": "m", "details": {}}),
        ({"type": None, "message": 5}, {"type": "InternalError", "message": "5", "details": {}}),
        (
            {"type": "X", "message": "m", "details": None},
            {"type": "X", "message": "m", "details": {}},
        ),
        (
            {"error": "text", "message": "m"},
            {"type": "InternalError", "message": "m", "details": {}},
        ),
        ("Timed out", {"type": "InternalError", "message": "Timed out", "details": {}}),
        ({"result": "Timed out"}, {"type": "InternalError", "message": "Timed out", "details": {}}),
        ("Heartbeat wasn't received.", exceptions.ExecutorLost().to_dict()),
        ({"result": "Heartbeat wasn't received."}, exceptions.ExecutorLost().to_dict()),
        (None, {"type": "InternalError", "message": NO_REASON, "details": {}}),
        ("", {"type": "InternalError", "message": NO_REASON, "details": {}}),
        ({}, {"type": "InternalError", "message": NO_REASON, "details": {}}),
        ({"result": None}, {"type": "InternalError", "message": NO_REASON, "details": {}}),
        ({"error": {}}, {"type": "InternalError", "message": NO_REASON, "details": {}}),
    )
    @ddt.unpack
    def test_whatever_a_failed_task_left_becomes_type_message_and_details(self, left, error):
        self.assertEqual(error, expressions.tripleo_error(None, left))

    def test_error_of_ours_comes_through_unchanged(self):
        error = exceptions.PlanNotFound("x", ["b", "a"]).to_dict()
        self.assertEqual(error, expressions.tripleo_error(None, {"result": error}))

    def test_it_is_registered_for_mistral(self):
        entries = importlib.metadata.entry_points(group="mistral.expression.functions")
        self.assertIs(expressions.tripleo_error, entries["tripleo_error"].load())
