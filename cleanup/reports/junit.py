"""Results of policy tests as JUnit XML, for CI servers: one suite a file, one case an image."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from cleanup.reports.cases_view import CaseResult, CaseRow
from cleanup.reports.formatting import label, plain
from cleanup.reports.view import Report

NAME = "image-cleanup test"
_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>"  # it is ASCII, which stdout takes in every encoding


def pieces(reports: Sequence[Report]) -> Iterator[str]:
    """The document of reports whose rows are all a CaseRow."""
    root = Element("testsuites", name=NAME)
    for report in reports:
        for file, rows in groupby(report.rows, lambda row: row.file):
            root.append(_suite(plain(file), list(rows)))
    indent(root)
    yield f"{_DECLARATION}\n{tostring(root, encoding='us-ascii').decode()}\n"


def _suite(file: str, rows: Sequence[CaseRow]) -> Element:
    failures = sum(row.result is CaseResult.FAILED for row in rows)
    suite = Element("testsuite", name=file, tests=str(len(rows)), failures=str(failures), errors="0")
    for row in rows:
        image = label(row.namespace, row.name, row.tag)
        name = plain(f"{image} ({row.image_id})")
        case = SubElement(suite, "testcase", classname=file, name=name, file=file, line=str(row.line))
        if row.result is CaseResult.FAILED:
            failure = SubElement(case, "failure", message=plain(row.why or ""))
            failure.text = plain(f"{row.file}:{row.line}:{row.column}: {image}: {row.why}")
    return suite
