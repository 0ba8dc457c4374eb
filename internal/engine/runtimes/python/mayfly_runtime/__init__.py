"""Runs a Python function against the Lambda Runtime API."""
