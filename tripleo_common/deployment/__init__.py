"""Heat: deploying a plan, watching its stack, saying why it failed, deleting it.

``states`` is what stack states mean; ``stacks`` finds, follows, explains and deletes a stack;
``deploy`` sends a plan to Heat.
"""
