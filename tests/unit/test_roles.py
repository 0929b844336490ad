import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import roles


@ddt.ddt
class Parse(base.TestCase):
    def test_roles_come_in_the_order_of_the_file_with_all_their_data(self):
        text = (
            "- name: B\n  CountDefault: 1\n  ServicesDefault: [OS::TripleO::Services::A]\n"
            "- name: A2\n"
        )
        self.assertEqual(
            [
                {"name": "B", "CountDefault": 1, "ServicesDefault": ["OS::TripleO::Services::A"]},
                {"name": "A2"},
            ],
            roles.parse(text),
        )

    @ddt.data("", "# nothing\n", "[]")
    def test_file_without_roles_gives_none(self, text):
        self.assertEqual([], roles.parse(text))

    @ddt.data(
        ("name: A", "list"),
        ("text", "list"),
        ("- A", "role 1"),
        ("- name: A\n- {}", "role 2"),
        ("- name: 5", "role 1"),
        ("- name: ''", "role 1"),
        ("- name: 1A", "role 1"),
        ("- name: A-B", "role 1"),
        ("- name: A B", "role 1"),
        ("- name: ../A", "role 1"),
        ('- name: "A\\n"', "role 1"),
        ("- name: Ä", "role 1"),
        ("- name: [A]", "role 1"),
        ("- name: A\n- name: A", "two roles A"),
        ("- name: A\n- name: a", "two roles"),
        ("- [", "YAML"),
    )
    @ddt.unpack
    def test_what_is_no_list_of_roles_with_usable_names_is_refused(self, text, word):
        error = self.assertRaises(exceptions.YAMLInvalid, roles.parse, text, "my_roles.yaml")
        self.assertEqual("my_roles.yaml", error.path)
        self.assertIn(word, error.message)
