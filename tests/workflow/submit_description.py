"""A reader of HTCondor's submit description files that refuses what condor_submit would refuse, or misunderstand without a word.

Source: HTCondor Manual, "condor_submit" (htcondor.readthedocs.io/en/latest/man-pages/condor_submit.html) and "Submitting a Job"
(.../users-manual/submitting-a-job.html): a file is a sequence of `command = value` lines, comments (#) and `queue` statements; a backslash
continues a line; `+Name = expression` adds an attribute to the job; `$(name)` is a macro; `queue a, b from ( ... )` makes a job of each
line between the parentheses, whose fields are separated by commas or blanks, the last field taking the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CHOICES = {
    "universe": {"vanilla", "scheduler", "local", "grid", "java", "vm", "parallel", "docker", "container"},
    "should_transfer_files": {"yes", "no", "if_needed"},
    "when_to_transfer_output": {"on_exit", "on_exit_or_evict", "on_success"},
    "notification": {"always", "complete", "error", "never"},
}
PATTERNS = {
    "request_cpus": r"[1-9]\d*",
    "request_gpus": r"[1-9]\d*",
    "request_memory": r"[1-9]\d*( ?[KMGT]B?)?",
    # "New" syntax: the whole in double quotes, name=value pairs separated by blanks.
    "environment": r'"\S+=\S*( \S+=\S*)*"',
    "transfer_output_remaps": r'" ?[^;=]+ = [^;=]+( ; [^;=]+ = [^;=]+)* ?"',
}
FREE = {
    "executable",
    "arguments",
    "log",
    "output",
    "error",
    "initialdir",
    "transfer_input_files",
    "transfer_output_files",
    "periodic_remove",
    "accounting_group",
    "requirements",
}
BUILT_IN = {"cluster", "clusterid", "process", "procid", "step", "row", "item", "node"}
"""Macros that condor_submit defines."""


@dataclass(frozen=True)
class Job:
    """A job as it would be queued: commands (lower case) with macros replaced, and the attributes added to it."""

    commands: dict[str, str]
    attributes: dict[str, str]


def read(text: str) -> list[Job]:
    """Returns the jobs that a file queues.

    Raises:
        ValueError: Names the line that is wrong.
    """
    lines = [line.strip() for line in re.sub(r"\\\n", "", text).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    commands: dict[str, str] = {}
    attributes: dict[str, str] = {}
    jobs: list[Job] = []
    while lines:
        line = lines.pop(0)
        if re.match(r"queue\b", line, re.IGNORECASE):
            jobs += [_job(commands, attributes, values, number) for number, values in enumerate(_items(line, lines))]
            continue
        match = re.fullmatch(r"(\+|MY\.)?([A-Za-z_]\w*)\s*=\s*(.*)", line)
        if match is None:
            msg = f"neither command nor queue: {line!r}"
            raise ValueError(msg)
        added, name, value = match.groups()
        if added:
            attributes[name] = _expression(line, value)
        else:
            commands[name.lower()] = _checked(name.lower(), value)
    if not jobs:
        msg = "no queue statement"
        raise ValueError(msg)
    return jobs


def _items(line: str, rest: list[str]) -> list[dict[str, str]]:
    """Returns the variables of each job of a queue statement; takes the lines of its list."""
    match = re.fullmatch(r"queue(?:\s+(\d+))?(?:\s+([\w\s,]+?)\s+from\s*\((.*))?", line, re.IGNORECASE)
    if match is None:
        msg = f"not understood: {line!r}"
        raise ValueError(msg)
    count, names, first = int(match[1] or 1), match[2], match[3]
    if names is None:
        return [{}] * count
    if first:
        msg = f"items begin on the next line: {line!r}"
        raise ValueError(msg)
    variables, items = re.split(r"[\s,]+", names.strip()), []
    while rest and rest[0] != ")":
        fields = re.split(r"\s*,\s*|\s+", rest.pop(0), maxsplit=len(variables) - 1)
        if len(fields) != len(variables):
            msg = f"found {len(fields)} fields for {', '.join(variables)}"
            raise ValueError(msg)
        items += [dict(zip(variables, fields, strict=True))] * count
    if not rest:
        msg = "the list of queue has no end"
        raise ValueError(msg)
    rest.pop(0)
    return items


def _checked(name: str, value: str) -> str:
    if name in CHOICES and value.lower() not in CHOICES[name]:
        msg = f"{name}: {value!r}"
        raise ValueError(msg)
    if name in PATTERNS and not re.fullmatch(PATTERNS[name], value, re.IGNORECASE):
        msg = f"{name}: {value!r}"
        raise ValueError(msg)
    if name not in CHOICES and name not in PATTERNS and name not in FREE:
        # condor_submit would take it for a macro that nobody uses.
        msg = f"unknown command: {name}"
        raise ValueError(msg)
    if not value:
        msg = f"{name}: no value"
        raise ValueError(msg)
    return value


def _expression(line: str, value: str) -> str:
    """A ClassAd literal or expression: a number, a quoted string, or names and operators with balanced parentheses."""
    if not value or value.count('"') % 2 or value.count("(") != value.count(")"):
        msg = f"no expression: {line!r}"
        raise ValueError(msg)
    return value


def _job(commands: dict[str, str], attributes: dict[str, str], values: dict[str, str], number: int) -> Job:
    known = {name: f"<{name}>" for name in BUILT_IN} | {"process": str(number), "procid": str(number)}
    known |= {name.lower(): value for name, value in values.items()}

    def replaced(text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1].lower() not in known:
                msg = f"unknown macro: {match[0]}"
                raise ValueError(msg)
            return known[match[1].lower()]

        return re.sub(r"\$\((\w+)\)", value, text)

    own = {name: value for name, value in values.items() if name.lower() in FREE}
    whole = {name: replaced(value) for name, value in (commands | own).items()}
    missing = {"executable"} - whole.keys()
    if missing:
        msg = f"missing: {', '.join(missing)}"
        raise ValueError(msg)
    if whole.get("should_transfer_files", "").lower() == "no" and "transfer_input_files" in whole:
        msg = "files to transfer, but should_transfer_files = no"
        raise ValueError(msg)
    return Job(whole, dict(attributes))
