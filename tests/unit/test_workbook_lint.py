"""The workbook linter finds each fault that once shipped in a workbook, and only that."""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

import ddt
import testtools

TREE = Path(__file__).resolve().parents[2]
COMMAND = TREE / "tools" / "lint-workbooks"
# The linter stands beside its command and not in the package: users of the package don't need it.
sys.path.insert(0, str(COMMAND.parent))
workbook_lint = importlib.import_module("workbook_lint")

# The line of a faulty workbook that the linter must point at.
MARK = "#!"

GOOD = """\
---
version: '2.0'
name: tripleo.shop.v1
description: A shop.

workflows:

  order:
    description: Order some things. {{ Descriptions }} are <% not %> looked into.
    input:
      - things
      - gift: false
      - action_region: null
      - cloud: null
    vars:
      currency: EUR
    output:
      status: SUCCESS
      message: Ordered <% $.count %> for <% $.price %> <% $.currency %>.
      note: <% $.get('note', null) %>
    output-on-error:
      status: FAILED
      message: <% explain($.get('error')).message %>
      error: <% $.get('error', {}) %>
    tasks:
      reserve:
        with-items: thing in <% $.things %>
        action: shop.reserve thing=<% $.thing %>
        retry: count=3 delay=1
        publish:
          count: <% task().result.count %>
        publish-on-error:
          error: <% task().result %>
        on-success:
          - wrap: <% $.gift %>
          - pay: <% not $.gift %>
        on-error:
          - release: <% task(reserve).result != null and not task('reserve').result[0].done %>
          - fail
      wrap:
        action: shop.wrap
        publish:
          note: wrapped
        on-success: pay
        on-error: ignore_wrapping
      ignore_wrapping:
        on-success: pay
      pay:
        workflow: pay
        input:
          amount: <% $.count %>
          action_region: <% $.action_region %>
          cloud: <% $.cloud %>
        publish:
          price: <% task().result.message %>
        publish-on-error:
          error: <% task().result %>
      release:
        action: shop.release
        input:
          owner: <% execution().id %>
        on-complete: fail

  pay:
    description: Pay.
    input:
      - amount
      - action_region: null
      - cloud: null
    output:
      status: SUCCESS
      message: <% $.paid %>
    output-on-error:
      status: FAILED
      message: Payment failed.
      error: Payment failed.
    tasks:
      transfer:
        action: shop.transfer
        input:
          amount: <% $.amount %>
        publish:
          paid: <% task(transfer).result.sum %>
"""

ACTIONS = {
    "shop.reserve": workbook_lint.Signature(frozenset({"thing"})),
    "shop.wrap": workbook_lint.Signature(optional=frozenset({"colour"})),
    "shop.release": workbook_lint.Signature(takes_any=True),
    "shop.transfer": workbook_lint.Signature(frozenset({"amount"}), frozenset({"to"})),
    "shop.broken": workbook_lint.Signature(broken="ImportError: no shop"),
}


def changed(*changes):
    """Return the good workbook with each (old, new) of `changes` made at its first place."""
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def lint(*texts):
    """Return the fault lines of workbooks named a.yaml, b.yaml ..."""
    files = {f"{letter}.yaml": text for letter, text in zip("abc", texts, strict=False)}
    workbooks = workbook_lint.lint(files, ACTIONS, frozenset({"explain"}))
    return [str(fault) for workbook in workbooks for fault in workbook.faults]


class LintTestCase(testtools.TestCase):
    def assert_fault(self, where, sentence, *changes):
        """Assert that `changes` make one fault, in the marked line, that holds `sentence`."""
        text = changed(*changes)
        marked = [n for n, line in enumerate(text.splitlines(), 1) if MARK in line]
        self.assertEqual(1, len(marked), "a test marks one line")
        faults = lint(text)
        self.assertEqual(1, len(faults), faults)
        self.assertTrue(faults[0].startswith(f"a.yaml:{marked[0]}: {where}: "), faults[0])
        self.assertIn(sentence, faults[0])


class TestFaultsThatShipped(LintTestCase):
    """One test for each kind of fault that upstream's released workbooks had."""

    def test_expression_asks_for_an_unknown_task(self):
        """5.4.9 to 7.6.18 read task(create_container_failed), a task that nothing defines."""
        self.assert_fault(
            "pay.transfer",
            "task(transfer_failed), which the workflow doesn't have; there is: transfer",
            ("<% task(transfer).result.sum %>", "<% task(transfer_failed).result.sum %>  #!"),
        )

    def test_transition_to_an_unknown_task(self):
        """The same fault in a transition: the run dies only when it gets there."""
        self.assert_fault(
            "order.wrap",
            "on-success goes to 'payed', which is no task of the workflow; did you mean 'pay'?",
            (
                "        on-success: pay\n        on-error",
                "        on-success: payed  #!\n        on-error",
            ),
        )

    def test_unknown_workflow(self):
        """8.7.1 to 11.7.0: update_networks called plan_management's missing get_network_data."""
        self.assert_fault(
            "order.pay",
            "calls the unknown workflow 'tripleo.shop.v2.pay'; did you mean 'tripleo.shop.v1.pay'",
            ("workflow: pay", "workflow: tripleo.shop.v2.pay  #!"),
        )

    def test_unbalanced_yaql(self):
        """9.6.1: heat_environments and derive_params opened an expression and never closed it."""
        self.assert_fault(
            "pay.transfer",
            "has an unbalanced YAQL delimiter in '<% $.amount'",
            ("          amount: <% $.amount %>", "          amount: <% $.amount  #!"),
        )

    def test_unquoted_key(self):
        """8.7.1 to 11.7.0 read $.get(deployment_status), with a bare word for a key."""
        self.assert_fault(
            "order",
            "has the unquoted key 'note' in get(); write 'note'",
            ("$.get('note', null) %>", "$.get(note, null) %>  #!"),
        )

    def test_missing_required_input_of_a_sub_workflow(self):
        """apply_bios_settings_on_manageable_nodes called manual_cleaning without node_uuid."""
        self.assert_fault(
            "order.pay",
            "doesn't pass 'amount', which the workflow 'pay' requires",
            ("      pay:\n", "      pay:  #!\n"),
            ("          amount: <% $.count %>\n", ""),
        )

    def test_unknown_input_of_a_sub_workflow(self):
        """Two (5.4.9) to sixteen (Stein) calls passed inputs like queue_name that got lost."""
        self.assert_fault(
            "order.pay",
            "passes 'queue_name' to the workflow 'pay', which has no such input",
            (
                "          amount: <% $.count %>\n",
                "          amount: 1\n          queue_name: q  #!\n",
            ),
        )

    def test_bare_word_for_a_name(self):
        """Three releases passed `queue_name: <% queue_name %>`, which is the text queue_name."""
        self.assert_fault(
            "pay.transfer",
            "has the bare word 'amount' in an expression",
            ("          amount: <% $.amount %>", "          amount: <% amount %>  #!"),
        )

    def test_no_output(self):
        """Without an output, the whole context with all its secrets is the result (W13)."""
        self.assert_fault(
            "pay",
            "has no output,",
            ("  pay:\n    description", "  pay:  #!\n    description"),
            ("    output:\n      status: SUCCESS\n      message: <% $.paid %>\n", ""),
        )

    def test_no_output_on_error(self):
        """Newton's wait_for_finish and find_validations told nobody that they failed (W19)."""
        self.assert_fault(
            "pay",
            "has no output-on-error,",
            ("  pay:\n    description", "  pay:  #!\n    description"),
            (
                "    output-on-error:\n      status: FAILED\n      message: Payment failed.\n"
                "      error: Payment failed.\n",
                "",
            ),
        )

    def test_wrong_status(self):
        """introspect_manageable said ERROR where clients only look for FAILED (W20)."""
        self.assert_fault(
            "order",
            "output-on-error has the status 'ERROR' instead of 'FAILED'",
            ("      status: FAILED\n", "      status: ERROR  #!\n"),
        )

    def test_failure_that_ends_in_success(self):
        """Newton's workflows said FAILED and ended in SUCCESS, so no on-error ever fired (W21)."""
        self.assert_fault(
            "order.wrap",
            "on-error goes to 'unwrap', from where the workflow can end in SUCCESS",
            ("        on-error: ignore_wrapping", "        on-error: unwrap  #!"),
            (
                "      ignore_wrapping:\n        on-success: pay",
                "      unwrap:\n        action: shop.wrap",
            ),
            # Its end sets no more than the start has, which is not what this test is about.
            ("Ordered <% $.count %> for <% $.price %>", "Ordered"),
        )

    def test_unknown_action(self):
        """a1669027: an action was called by a name that it never had."""
        self.assert_fault(
            "pay.transfer",
            "calls the unknown action 'shop.transfers'; did you mean 'shop.transfer'?",
            ("action: shop.transfer", "action: shop.transfers  #!"),
        )

    def test_unknown_input_of_an_action(self):
        """An input that the action never had makes Mistral refuse the call, when it gets there."""
        self.assert_fault(
            "pay.transfer",
            "passes 'amout' to the action 'shop.transfer', which has no such input; did you mean",
            (
                "          amount: <% $.amount %>\n",
                "          amount: <% $.amount %>\n          amout: 1  #!\n",
            ),
        )

    def test_yaql_that_computes(self):
        """`format` left YAQL in its version 3.0, and upstream's messages with it."""
        self.assert_fault(
            "pay",
            "uses format() in an expression",
            ("message: <% $.paid %>", "message: <% '{}'.format($.paid) %>  #!"),
        )

    def test_task_that_only_sends_a_message(self):
        """Lost messages hung the clients; sub-workflows' messages confused them (W15 to W18)."""
        self.assert_fault(
            "order.pay",
            "only sends a message",
            ("      pay:\n", "      pay:  #!\n"),
            ("workflow: pay", "workflow: tripleo.messaging.v1.send"),
        )


@ddt.ddt
class TestOtherFaults(LintTestCase):
    @ddt.data(
        ("amount: <% $.amuont %>  #!", "reads $.amuont, which is no input, var or published name"),
        ("amount: <% $['amuont'] %>  #!", "reads $.amuont"),
        ("amount: <% $ %>  #!", "reads the whole context"),
        ("amount: <% $x %>  #!", "reads $x"),
        ("amount: <% $.amount + 1 %>  #!", "uses the operator '+'"),
        ("amount: <% $.amount > 1 %>  #!", "uses the operator '>'"),
        ("amount: <% $.amount.where($.each = 1) %>  #!", "uses where()"),
        ("amount: <% $.amount.len() = 0 %>  #!", "uses len()"),
        ("amount: <% len($.amount) %>  #!", "uses len()"),
        ("amount: <% $.amount[$.each = 1] %>  #!", "uses a computed index"),
        ("amount: <% [$.amount] %>  #!", "uses a list"),
        ("amount: <% {a => $.amount} %>  #!", "uses a map"),
        ("amount: <% $.amount = FAILED %>  #!", "has the bare word 'FAILED'"),
        ("amount: <% task($.amount).result %>  #!", "asks task() for a computed name"),
        ("amount: <% $.amount. %>  #!", "has a faulty expression"),
        ("amount: $.amount %>  #!", "has an unbalanced YAQL delimiter"),
        ("amount: '{{ _.amount }}'  #!", "has Jinja"),
        ("amount: '{{ _.amount'  #!", "has an unbalanced Jinja delimiter"),
    )
    @ddt.unpack
    def test_expression(self, line, sentence):
        self.assert_fault("pay.transfer", sentence, ("amount: <% $.amount %>", line))

    @ddt.data("zaqar.queue_post", "shop.send_message")
    def test_action_that_only_sends_a_message(self, action):
        self.assert_fault(
            "order.release",
            f"only sends a message, with '{action}'",
            ("      release:\n", "      release:  #!\n"),
            ("action: shop.release", f"action: {action}"),
        )

    def test_item_is_read_outside_of_its_call(self):
        self.assert_fault(
            "order.reserve",
            "reads $.thing, which",
            ("count: <% task().result.count %>", "count: <% $.thing %>  #!"),
        )

    def test_item_has_the_name_of_an_input(self):
        """Mistral would give the action the input each time, and not the item."""
        self.assert_fault(
            "order.reserve",
            "with-items sets 'gift', but the workflow's own 'gift' wins",
            ("with-items: thing in <% $.things %>", "with-items: gift in <% $.things %>  #!"),
            ("thing=<% $.thing %>", "thing=<% $.gift %>"),
        )

    def test_output_is_not_set_on_every_path(self):
        self.assert_fault(
            "order",
            "output reads $.note, which is not set on every path that ends here; read it",
            ("note: <% $.get('note', null) %>", "note: <% $.note %>  #!"),
        )

    def test_output_on_error_is_not_set_on_every_path(self):
        """What a task publishes on success isn't there when it fails."""
        self.assert_fault(
            "pay",
            "output-on-error reads $.paid, which is not set on every path",
            ("      error: Payment failed.", "      error: <% $.paid %>  #!"),
        )

    def test_missing_input_of_an_action(self):
        self.assert_fault(
            "order.reserve",
            "doesn't pass 'thing', which the action 'shop.reserve' requires",
            ("      reserve:\n", "      reserve:  #!\n"),
            ("shop.reserve thing=<% $.thing %>", "shop.reserve"),
        )

    def test_unknown_inline_input(self):
        self.assert_fault(
            "order.wrap",
            "passes 'color' to the action 'shop.wrap'",
            ("      wrap:\n", "      wrap:  #!\n"),
            ("action: shop.wrap", "action: shop.wrap color=1"),
        )

    def test_action_that_cannot_be_loaded(self):
        self.assert_fault(
            "order.release",
            "calls the action 'shop.broken'; can't be loaded: ImportError: no shop",
            ("action: shop.release", "action: shop.broken  #!"),
        )

    def test_computed_action(self):
        self.assert_fault(
            "order.release",
            "computes its action",
            ("      release:\n", "      release:  #!\n"),
            ("action: shop.release", "action: <% $.things %>"),
        )

    def test_unreachable_task(self):
        self.assert_fault(
            "order.release",
            "is never reached",
            ("      release:\n", "      release:  #!\n"),
            (
                "        on-complete: fail\n",
                "        on-complete:\n          - release\n          - fail\n",
            ),
            ("          - release: <%", "          - fail: <%"),
        )

    def test_on_error_with_noop(self):
        self.assert_fault(
            "order.wrap",
            "on-error goes to 'noop'",
            ("        on-error: ignore_wrapping", "        on-error: noop  #!"),
            ("      ignore_wrapping:\n        on-success: pay\n", ""),
            ("Ordered <% $.count %> for <% $.price %>", "Ordered"),
        )

    def test_duplicate_key(self):
        self.assert_fault(
            "order.release",
            "has the key 'action' twice, first on line",
            ("action: shop.release\n", "action: shop.release\n        action: shop.release  #!\n"),
        )

    def test_shape(self):
        self.assert_fault(
            "order.wrap",
            "doesn't have the shape that Mistral asks for",
            ("        action: shop.wrap\n", "        action: [shop.wrap]  #!\n"),
        )

    def test_misspelt_key_of_a_workflow(self):
        self.assert_fault(
            "order",
            "has the unknown key 'tag'; did you mean",
            ("    vars:", "    tag: [a]  #!\n    vars:"),
        )

    def test_misspelt_key_of_a_task(self):
        self.assert_fault(
            "order.release",
            "('on-sucess' was unexpected)",
            ("      release:\n", "      release:  #!\n"),
            ("        on-complete: fail", "        on-sucess: fail"),
        )

    def test_what_only_mistral_knows(self):
        self.assert_fault(
            "order",
            "Mistral refuses it: Not enough inbound tasks",
            ("  order:\n", "  order:  #!\n"),
            ("      release:\n", "      release:\n        join: 3\n"),
        )

    def test_reverse_workflow(self):
        self.assert_fault(
            "pay",
            "is a reverse workflow",
            ("    description: Pay.", "    description: Pay.\n    type: reverse  #!"),
        )

    @ddt.data(
        ("      - action_region: null\n", "", "has no input 'action_region'"),
        ("      - cloud: null\n", "      - cloud: home\n", "'cloud' without the default null"),
        ("      - cloud: null\n", "      - cloud\n", "'cloud' without the default null"),
    )
    @ddt.unpack
    def test_routing_inputs(self, old, new, sentence):
        pay = GOOD[GOOD.index("    description: Pay.\n") :]
        wrong = pay.replace("    input:\n", "    input:  #!\n", 1).replace(old, new)
        # Nothing calls it in this text, so that what is passed to it is no matter.
        self.assert_fault("pay", sentence, (pay, wrong), ("workflow: pay", "action: shop.release"))

    @ddt.data(
        (
            "    output:\n",
            "      message: Ordered",
            "      massage: Ordered",
            "output has no 'message'",
        ),
        (
            "    output-on-error:\n",
            "      error: <%",
            "      eror: <%",
            "output-on-error has no 'error'",
        ),
    )
    @ddt.unpack
    def test_incomplete_output(self, section, old, new, sentence):
        self.assert_fault("order", sentence, (section, section[:-1] + "  #!\n"), (old, new))

    def test_no_description(self):
        self.assert_fault(
            "pay", "has no description", ("  pay:\n    description: Pay.\n", "  pay:  #!\n")
        )

    @ddt.data("", "a: b: c", "- a\n", "a: &b c\n")
    def test_no_workbook_at_all(self, text):
        (fault,) = lint(text)
        self.assertIn("a.yaml:1: workbook: ", fault)


class TestNoFaults(LintTestCase):
    def test_good_workbook(self):
        self.assertEqual([], lint(GOOD))

    def test_call_of_another_workbook(self):
        other = changed(
            ("name: tripleo.shop.v1", "name: tripleo.market.v1"),
            ("workflow: pay", "workflow: tripleo.shop.v1.pay"),
        )
        self.assertEqual([], lint(GOOD, other))

    def test_all_branches_of_a_join_count(self):
        """A join of all has the names of each branch; a fork into one path has only the common."""
        tasks = """\
      left:
        action: shop.wrap
        publish:
          paid: yes
        on-success: both
      right:
        action: shop.wrap
        on-success: both
      both:
        join: all
        action: shop.release
"""
        start = GOOD.rindex("      transfer:")
        self.assertEqual([], lint(GOOD[:start] + tasks))
        (fault,) = lint(GOOD[:start] + tasks.replace("join: all", "join: one"))
        self.assertIn("output reads $.paid, which is not set on every path", fault)

    def test_own_action_of_a_workbook(self):
        own = (
            "\nactions:\n  move:\n    input: [sum, {to: bank}]\n"
            "    base: shop.transfer\n    base-input:\n      amount: <% $.sum %>\n\nworkflows:\n"
        )
        moved = (
            "action: shop.transfer\n        input:\n          amount",
            "action: move\n        input:\n          sum",
        )
        self.assertEqual([], lint(changed(("\nworkflows:\n", own), moved)))
        faults = lint(changed(("\nworkflows:\n", own.replace("amount:", "total:")), moved))
        self.assertEqual(2, len(faults), faults)
        self.assertIn("move: doesn't pass 'amount', which the action 'shop.transfer'", faults[0])
        self.assertIn("move: passes 'total' to the action 'shop.transfer'", faults[1])


class TestCommand(testtools.TestCase):
    def run_command(self, text):
        """Run the command on one file and return its exit code and output."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "shop.yaml")
            file.write_text(text)
            done = subprocess.run(
                [sys.executable, str(COMMAND), "shop.yaml"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        self.assertEqual("", done.stderr)
        return done.returncode, done.stdout

    def test_faults(self):
        """The actions are those that are installed, so this workbook's own are unknown."""
        code, output = self.run_command(changed(("status: FAILED", "status: ERROR")))
        lines = output.splitlines()
        self.assertEqual(1, code)
        self.assertIn(
            "shop.yaml:22: order: output-on-error has the status 'ERROR' instead of 'FAILED'", lines
        )
        self.assertTrue(all(line.startswith("shop.yaml:") for line in lines), lines)

    def test_no_faults(self):
        start = GOOD.index("  order:"), GOOD.index("  pay:\n    description")
        text = GOOD[: start[0]] + GOOD[start[1] :]
        text = text.replace("action: shop.transfer", "action: std.echo")
        text = text.replace("          amount: <% $.amount", "          output: <% $.amount")
        self.assertEqual(
            (0, "1 workbooks, 1 workflows, 1 tasks: no faults\n"), self.run_command(text)
        )
