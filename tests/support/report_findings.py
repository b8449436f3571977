"""What a report says: the words of its verdicts, and its errors."""


def words(report):
    return {v.argument: v.word for v in report.verdicts}


def named_errors(report):
    return [(finding.code, finding.argument) for finding in errors(report)]


def errors(report):
    return [finding for finding in report.findings if finding.severity == "error"]
