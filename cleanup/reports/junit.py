"""Results of policy tests as JUnit XML, for CI servers."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from cleanup.decision.cases import CaseFile, Difference
from cleanup.reports.formatting import plain

NAME = "image-cleanup test"


def junit(results: Iterable[tuple[CaseFile, tuple[Difference, ...]]]) -> str:
    """One suite a file, one case an image that something is expected of."""
    root = Element("testsuites", name=NAME)
    for cases, differences in results:
        root.append(_suite(cases, differences))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(cases: CaseFile, differences: tuple[Difference, ...]) -> Element:
    missed = {difference.location: difference for difference in differences}
    labels = {image.id: image.label for image in cases.images}
    suite = Element(
        "testsuite",
        name=plain(cases.file),
        tests=str(len(cases.expectations)),
        failures=str(len(differences)),
        errors="0",
    )
    for one in cases.expectations:
        case = SubElement(
            suite,
            "testcase",
            classname=plain(cases.file),
            name=plain(f"{labels[one.image_id]} ({one.image_id})"),
            file=one.location.file,
            line=str(one.location.line),
        )
        if found := missed.get(one.location):
            failure = SubElement(case, "failure", message=plain(found.message))
            failure.text = plain(str(found))
    return suite
