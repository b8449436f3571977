"""What the contract's checks find of a layer."""

import linecache
from inspect import signature

import numpy as np

from dout.check.exact.subject import Subject
from dout.check.rules import findings_by_running, rules

X = np.array([[1.0, -0.5], [-2.0, 3.0]])


Y = np.array([[0.5, 2.0], [1.5, -1.0]])


def found(target, *inputs, make=None):
    """The findings of all contract checks, by code."""
    names = tuple(p for p in signature(target.forward).parameters if p != "self")
    subject = Subject.of(target, inputs, names)
    if make is not None:
        subject = Subject(subject.name, make, inputs, names)
    return {finding.code: finding for finding in findings_by_running(subject)}


def line(finding):
    """The line of source that a finding points at."""
    return linecache.getline(finding.file, finding.line).strip()


def alarming(findings):
    """The codes of errors and warnings."""
    return {code for code, finding in findings.items() if finding.severity != "note"}


def finding(code, *told, **details):
    """A finding of the rule with this code."""
    return rules()[code].finding(*told, **details)
