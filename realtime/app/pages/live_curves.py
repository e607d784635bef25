"""Curves of chosen angles over the last seconds, with their ranges."""

from __future__ import annotations

from nicegui import ui

from realtime.app.curve_looks import MOST_CURVES, chart_options, lines_at, looks_of
from realtime.app.layout import say
from realtime.app.options import AppError
from realtime.app.state import AppState
from realtime.app.words import title_of

LENGTH_S = 10.0


class CurvesCard:
    """A chart, a table of ranges, and the choice of coordinates."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._names: tuple[str, ...] = ()
        self._offered: list[str] = []
        with ui.element("div").classes("kc-card kc-stack"):
            self._chart = ui.echart(chart_options({}, -LENGTH_S, 0.0)).classes("kc-chart").props("data-chart")
            self._table = ui.element("table").classes("kc-ranges").props("data-ranges")
            self._choice = ui.select([], multiple=True, label="Angles", on_change=self._choose)
            self._choice.props("dense outlined use-chips options-dense").style("width: 100%")
        self._cells: dict[str, tuple[ui.label, ui.label]] = {}
        self.tick()

    def tick(self) -> None:
        """Follow the stream."""
        sample, feed = self._state.feed.newest, self._state.feed
        names = self._state.settings.curves[:MOST_CURVES]
        self._offer(list(names) if sample is None else list(sample.keys()))
        if names != self._names:
            self._show_names(names)
        if sample is None:
            return
        series = [{"id": name, "data": feed.curve(name, LENGTH_S)} for name in names]
        series.append(lines_at("events", [event for event in feed.events() if event[0] >= -LENGTH_S]))
        self._chart.run_chart_method("setOption", {"series": series})
        for name, (value, extent) in self._cells.items():
            known, found = name in sample.keys(), feed.range_of(name)
            value.set_text(f"{sample[name]:.1f}" if known and sample[name] == sample[name] else "-")
            extent.set_text("-" if found is None else f"{found[0]:.0f} to {found[1]:.0f}")

    def _offer(self, names: list[str]) -> None:
        if names != self._offered:
            self._offered = names
            chosen = [name for name in self._state.settings.curves if name in names]
            self._choice.set_options({name: title_of(name) for name in names}, value=chosen)

    def _show_names(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._chart.options.clear()
        self._chart.options.update(chart_options({name: [] for name in names}, -LENGTH_S, 0.0))
        self._chart.update()
        self._table.clear()
        self._cells = {}
        with self._table:
            with ui.element("tr"):
                for title in ("", "now", "range"):
                    with ui.element("th"):
                        ui.label(title)
            for name, look in looks_of(names).items():
                with ui.element("tr"):
                    with ui.element("td"):
                        ui.label(title_of(name)).style(
                            f"color: {look.colour}; border-bottom: 2px {look.dash}; display: inline-block"
                        )
                    with ui.element("td"):
                        value = ui.label("-")
                    with ui.element("td"):
                        extent = ui.label("-")
                self._cells[name] = value, extent

    def _choose(self, event: object) -> None:
        chosen = tuple(self._choice.value)[:MOST_CURVES]
        if not chosen or chosen == self._state.settings.curves:
            return
        try:
            self._state.change(curves=chosen)
        except AppError as error:
            say(str(error), is_error=True)
