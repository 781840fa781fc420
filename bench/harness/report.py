"""Tables for people, as aligned text or Markdown, and the words about the machine."""

import os
import pathlib
import platform


def table(head, rows, markdown=False):
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row):
        # The first two columns are names, the others figures.
        padded = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded).rstrip()

    rule = [
        "-" * width if column < 2 else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    ruled = f"| {' | '.join(rule)} |" if markdown else "  ".join("-" * width for width in widths)
    return "\n".join([line(head), ruled, *[line(row) for row in rows]])


def number(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}"


def milliseconds(microseconds):
    return number(None if microseconds is None else microseconds / 1000, 2)


def ratio(ours, theirs):
    return None if ours is None or not theirs else ours / theirs


class Bars:
    """Judges figures against their bars and remembers whether all were reached."""

    def __init__(self):
        self.failed = []
        self.results = []

    def judge(self, what, value, at_most=None, at_least=None, unit=""):
        """The figure with its verdict, as a table's cell. Without a bar, the figure alone."""
        shown = number(value) + unit
        if value is None or (at_most is None and at_least is None):
            return shown
        reached = value <= at_most if at_most is not None else value >= at_least
        bar = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}"
        self.results.append({"what": what, "value": value, "bar": bar, "reached": reached})
        if not reached:
            self.failed.append(f"{what}: {shown}, bar {bar}{unit}")
        return f"{shown} ({bar} {'ok' if reached else 'MISSED'})"


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores shared by load, proxy and shards, "
        f"{memory:.0f} GiB, Linux {platform.release()}"
    )
