"""What tests of fair readings share: what a report says, and a softmax of rows."""

import numpy as np


def errors(report):
    return [f.message for f in report.findings if f.severity == "error"]


def said(report):
    return [str(v).partition(":")[2].strip() for v in report.verdicts]


def shares(Z):
    e = np.exp(Z - Z.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)
