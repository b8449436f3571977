"""Layers from text with a mistake in them, and what the change that mends it adds."""

from written import written

from dout.check import check


def class_of(text):
    """The class at the end of a source that the line cache knows."""
    return [item for item in vars(written(text)).values() if isinstance(item, type)][-1]


def layer(text):
    """The same, built without arguments."""
    return class_of(text)()


def errors_of(text, *inputs):
    """The errors that are found of it."""
    return [found for found in check(layer(text), *inputs).findings if found.severity == "error"]


def error_of(text, *inputs):
    """The only error that is found of it."""
    (found,) = errors_of(text, *inputs)
    return found


def added(found):
    """The lines that a fix adds."""
    lines = str(found.fix).splitlines()
    return [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]


def written_by_fixes(report):
    """The lines that the fixes of a report's errors add."""
    return [line for found in report.findings if found.severity == "error" and found.fix for line in added(found)]
