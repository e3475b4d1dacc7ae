# SPDX-License-Identifier: Apache-2.0
"""A reading as a page, in Prometheus' text format 0.0.4 and in OpenMetrics 1.0.

Both formats are refused as a whole for one wrong line, so what does not fit is left out, and said
once in the log. The formats: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from tidegauge.live.families import Exemplar, Histograms, Numbers, Reading, Samples
from tidegauge.serve.conformance import Line, allowed, group_label
from tidegauge.serve.forms import AnyFamily, Form, form_of, in_text, names_of
from tidegauge.serve.spelling import (
    Omissions,
    bound_texts,
    clean,
    escaped,
    is_metric_name,
    label_text,
    number_text,
    number_texts,
    seconds_text,
)

__all__ = ["Exposition"]

_MOST_EXEMPLAR_CHARACTERS = 128


class Exposition:
    """Makes pages of one format. Safe to use from several threads.

    A family is left out whose name is not valid, has been taken by another one, or that fails to
    be rendered; a label whose name is not valid; the second series with the same labels; and
    exemplars with more than 128 characters. `_created` lines are not made, as they would double
    the number of series.

    A counter is always called `…_total`. In OpenMetrics a counter and a gauge may not differ in
    that alone, and a counter may not be negative or NaN. Such a counter has the type `unknown`
    there, so that its numbers are not lost. Sum and count of a histogram that may hold negative
    values are left out there, as that format demands.

    Args:
        openmetrics: Whether to write OpenMetrics.
        omissions: Told what is left out.
    """

    def __init__(self, *, openmetrics: bool, omissions: Omissions) -> None:
        self._openmetrics = openmetrics
        self._omissions = omissions

    def render(self, reading: Reading, names: Collection[str] = ()) -> bytes:
        """The page of a reading, as UTF-8.

        Args:
            reading: What to show. Families that are only for OTLP are left out.
            names: Names of families or of their lines; if there are any, only these are shown.
        """
        taken: set[str] = set()
        lines: list[str] = []
        for family in reading.families:
            if family.only == "otlp" or (names and names_of(family).isdisjoint(names)):
                continue
            for part in [family] if self._openmetrics else in_text(family):
                try:
                    lines += self._family(part, taken)
                except Exception as error:  # noqa: BLE001  (a collector's; the others are shown)
                    self._omit(part.name, f"it cannot be rendered: {error!r}")
        if self._openmetrics:
            lines.append("# EOF")
        lines.append("")
        return "\n".join(lines).encode()

    def _family(self, family: AnyFamily, taken: set[str]) -> list[str]:
        """Its lines; its names are added to those that are taken."""
        if not is_metric_name(family.name):
            self._omit(family.name, "its name is not valid in Prometheus")
            return []
        form = shown = form_of(family)
        if self._openmetrics and form.kind == "counter":
            clashes = not taken.isdisjoint(form.reserved(openmetrics=True))
            if clashes or not _may_be_counter(family):
                shown = Form("unknown", form.names[0])
        reserved = shown.reserved(openmetrics=self._openmetrics)
        if not taken.isdisjoint(reserved):
            self._omit(family.name, "another family has one of its names")
            return []
        lines = self._lines(family, form, exemplars=self._openmetrics and shown is form)
        if not lines:
            return []
        taken |= reserved
        return self._heading(family, shown) + lines

    def _heading(self, family: AnyFamily, form: Form) -> list[str]:
        if not self._openmetrics:
            # Quotes are not escaped here, unlike in OpenMetrics.
            text = clean(family.help).replace("\\", r"\\").replace("\n", r"\n")
            about = [f"# HELP {form.text_name} {text}"] if text else []
            return [*about, f"# TYPE {form.text_name} {form.text_kind}"]
        lines = [f"# HELP {form.base} {escaped(family.help)}"] if family.help else []
        lines.append(f"# TYPE {form.base} {form.kind}")
        has_unit = family.unit and form.kind not in {"info", "stateset"}
        if has_unit and form.base.endswith(f"_{family.unit}"):
            lines.append(f"# UNIT {form.base} {family.unit}")
        return lines

    def _lines(self, family: AnyFamily, form: Form, *, exemplars: bool) -> list[str]:
        if isinstance(family, Numbers):
            return self._numbers(family, form, exemplars=exemplars)
        if isinstance(family, Histograms):
            return self._histograms(family, form, exemplars=exemplars)
        return self._samples(family, form, exemplars=exemplars)

    def _numbers(self, family: Numbers, form: Form, *, exemplars: bool) -> list[str]:
        name = form.names[0]
        labels = [_braced(label_text(series, self._omissions)) for series in family.labels]
        values = number_texts(family.values, family.scale)
        lines = [f"{name}{key} {value}" for key, value in zip(labels, values, strict=True)]
        if exemplars and form.kind == "counter":
            for index, exemplar in family.exemplars.items():
                lines[index] += self._exemplar(exemplar, family.scale)
        return self._unique(family.name, labels, lines)

    def _histograms(self, family: Histograms, form: Form, *, exemplars: bool) -> list[str]:
        name = form.base
        bounds = [
            f'le="{bound}"}}' for bound in [*bound_texts(family.bounds, family.scale), "+Inf"]
        ]
        has_negative = any(bound < 0 for bound in family.bounds)
        found = family.exemplars if exemplars else {}
        keys: list[str] = []
        blocks: list[str] = []
        rows = zip(family.labels, family.counts, family.sums, strict=True)
        for index, (labels, counts, total) in enumerate(rows):
            inner = label_text(labels, self._omissions, reserved="le")
            start = f"{name}_bucket{{{inner}{',' if inner else ''}"
            cumulative = list(itertools.accumulate(map(int, counts)))
            lines = [
                f"{start}{bound} {count}" for bound, count in zip(bounds, cumulative, strict=True)
            ]
            if found:
                for bucket in range(len(lines)):
                    if exemplar := found.get((index, bucket)):
                        lines[bucket] += self._exemplar(exemplar, family.scale)
            if not self._openmetrics or (total >= 0 and not has_negative):
                braced = _braced(inner)
                lines.append(f"{name}_sum{braced} {number_text(total * family.scale)}")
                lines.append(f"{name}_count{braced} {cumulative[-1]}")
            keys.append(inner)
            blocks.append("\n".join(lines))
        return self._unique(family.name, keys, blocks)

    def _samples(self, family: Samples, form: Form, *, exemplars: bool) -> list[str]:
        keys: list[str] = []
        lines: list[str] = []
        for line in self._fitting(family, form):
            sample = line.sample
            start = f"{line.name}{_braced(label_text(sample.labels, self._omissions))}"
            time = "" if sample.time_ns is None else f" {self._time(sample.time_ns)}"
            end = ""
            if exemplars and sample.exemplar and line.name.endswith(("_bucket", "_total")):
                end = self._exemplar(sample.exemplar, 1.0)
            keys.append(start + time)
            lines.append(f"{start} {number_text(sample.value)}{time}{end}")
        return self._unique(family.name, keys, lines)

    def _fitting(self, family: Samples, form: Form) -> list[Line]:
        """The lines that the format allows, those of one series together."""
        groups: dict[object, dict[int | None, list[Line]]] = {}
        apart = group_label(form.kind, form.base)
        n_given = 0
        for sample in family.samples:
            given = family.name + sample.suffix
            if given == f"{form.base}_created":
                continue
            n_given += 1
            name = form.line_name(given)
            if name is not None:
                # The lines of an info are one series to its readers.
                pairs = () if form.kind == "info" else sample.labels
                group = frozenset([pair for pair in pairs if pair[0] != apart])
                points = groups.setdefault(group, {})
                points.setdefault(sample.time_ns, []).append(Line(name, sample))
        fitting: list[Line] = []
        for points in groups.values():
            # A series has no times at all, or its lines are in their order.
            timed = sorted(time_ns for time_ns in points if time_ns is not None)
            for time_ns in [None] if None in points else timed:
                lines = points[time_ns]
                fitting += allowed(form.kind, form.base, lines) if self._openmetrics else lines
        if len(fitting) < n_given:
            self._omissions.add(
                f"a line of metric {family.name!r}", f"it is not as a {form.kind} must be"
            )
        return fitting

    def _unique(self, name: str, keys: Sequence[str], lines: list[str]) -> list[str]:
        """The first line of each key."""
        if len(set(keys)) == len(keys):
            return lines
        self._omissions.add(f"a series of metric {name!r}", "another one has the same labels")
        firsts: dict[str, str] = {}
        for key, line in zip(keys, lines, strict=True):
            firsts.setdefault(key, line)
        return list(firsts.values())

    def _exemplar(self, exemplar: Exemplar, scale: float) -> str:
        characters = sum(len(name) + len(value) for name, value in exemplar.labels)
        if characters > _MOST_EXEMPLAR_CHARACTERS:
            return ""
        labels = label_text(exemplar.labels, self._omissions)
        value = number_text(exemplar.value * scale)
        return f" # {{{labels}}} {value} {seconds_text(exemplar.time_ns)}"

    def _time(self, time_ns: int) -> str:
        return seconds_text(time_ns) if self._openmetrics else str(time_ns // 1_000_000)

    def _omit(self, name: str, why: str) -> None:
        self._omissions.add(f"metric {name!r}", why)


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _may_be_counter(family: AnyFamily) -> bool:
    """Whether no value is negative or NaN."""
    if isinstance(family, Numbers):
        return all(value >= 0 for value in family.values)
    if isinstance(family, Samples):
        return all(sample.value >= 0 for sample in family.samples)
    return False
