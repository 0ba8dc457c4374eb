"""What most functions import, imported before there is a function.

Only what keeps nothing of the process: no secret, no seed that a fork would
share, no open file, and nothing of the environment.
"""
