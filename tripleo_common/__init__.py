"""Deploying a cloud on bare metal as Mistral actions, workbooks and Heat templates."""
