"""The plan: a Swift container of Heat templates and a Mistral environment of the same name.

``plans`` creates, changes and deletes plans; it uses ``container`` (Swift) and ``environment``
(Mistral) for I/O, and pure functions for all else: ``names``, ``yaml_files``, ``tarball``,
``render`` (Jinja2), ``roles`` and ``references`` (what Heat is given).
"""
