"""Mistral's door: one module per topic.

An action reads its inputs, calls one function of a package below and returns plain data.
"""
