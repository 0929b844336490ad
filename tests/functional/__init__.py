"""Tests against an undercloud of real services."""
