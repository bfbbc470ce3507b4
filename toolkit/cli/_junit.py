"""JUnit XML of a sweep: each arm a suite with its trials, and one suite with the gates; what pipelines show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from toolkit.cli._gate import GateVerdict

if TYPE_CHECKING:  # pandas comes with it, and `toolkit --help` needs none
    from toolkit.results import Results

# Two characters that are no controls and that XML has no place for.
_NOT_XML = re.compile("[\ufffe\uffff]")


def junit_xml(results: Results, verdicts: Sequence[GateVerdict]) -> bytes:
    """Returns the report: a trial without an answer is an error, a gate that does not pass a failure.

    A trial that early stopping left out is skipped.
    """
    from toolkit.results import arm_labels

    frame = results.df
    labels = arm_labels(results.view.arms)
    root = ElementTree.Element("testsuites", name="toolkit sweep")
    places = {arm.index: place for place, arm in enumerate(results.view.arms)}
    suites = [ElementTree.SubElement(root, "testsuite", name=_clean(label)) for label in labels]
    errors = [0] * len(labels)
    columns = [frame[name].tolist() for name in ("case", "repeat", "status", "failure", "message", "latency_s")]
    for trial, (case, repeat, status, kind, message, latency_s) in zip(
        results.view.trials, zip(*columns, strict=True), strict=True
    ):
        place = places[trial.arm.index]
        name = f"case {case}" + (f", repeat {repeat}" if repeat else "")
        seconds = f"{latency_s:.3f}" if isinstance(latency_s, float) else "0"
        entry = ElementTree.SubElement(
            suites[place], "testcase", classname=_clean(labels[place]), name=name, time=seconds
        )
        if status == "stopped_early":
            ElementTree.SubElement(entry, "skipped", message=_clean(message if isinstance(message, str) else status))
        elif status != "ok":
            errors[place] += 1
            told = message if isinstance(message, str) else status
            kind = kind if isinstance(kind, str) else status
            ElementTree.SubElement(entry, "error", type=_clean(kind), message=_clean(told))
    for suite, count in zip(suites, errors, strict=True):
        suite.attrib |= {"tests": str(len(suite)), "errors": str(count), "failures": "0"}
    if verdicts:
        _gates(root, verdicts)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _gates(root: ElementTree.Element, verdicts: Sequence[GateVerdict]) -> None:
    failed = sum(not verdict.passed for verdict in verdicts)
    suite = ElementTree.SubElement(
        root, "testsuite", name="gates", tests=str(len(verdicts)), errors="0", failures=str(failed)
    )
    for verdict in verdicts:
        name = f"{verdict.arm} against {verdict.than}: not {verdict.rule.text}"
        entry = ElementTree.SubElement(suite, "testcase", classname="gates", name=_clean(name), time="0")
        if verdict.passed:
            ElementTree.SubElement(entry, "system-out").text = _clean(verdict.sentence)
        else:
            ElementTree.SubElement(entry, "failure", type=verdict.standing, message=_clean(verdict.sentence))


def _clean(text: str) -> str:
    from toolkit.results import for_screen

    return _NOT_XML.sub("\ufffd", for_screen(text, keep_lines=False))
