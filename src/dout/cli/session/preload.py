"""All that a check loads, loaded at once: by the process from which the checks of a session are forked."""

from dout.check.repair import suspected_cause
from dout.check.rules import modules
from dout.check.worker import program_phase
from dout.cli.output import check_output, repeat_command

__all__ = ["check_output", "program_phase", "repeat_command", "suspected_cause"]

modules()
