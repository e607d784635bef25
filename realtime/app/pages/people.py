"""Several people on a page: how many are tracked, and whose numbers are shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from nicegui import ui

from realtime.app.layout import say
from realtime.app.options import MOST_PEOPLE, AppError
from realtime.app.state import AppState
from realtime.person_colours import css_of_person


class PersonChoice:
    """A button for each person, the chosen one filled; hidden where there is one person.

    Args:
        on_choose: Function called with the number of the person whose button was pressed.
    """

    def __init__(self, on_choose: Callable[[int], None]) -> None:
        self._on_choose = on_choose
        self._shown: object = None
        self._buttons: dict[int, ui.button] = {}
        self._row = ui.element("div").classes("kc-card kc-row").props("data-people")
        self._row.set_visibility(False)

    def show(self, numbers: Sequence[int], chosen: int, absent: Collection[int] = ()) -> None:
        """Offer these people.

        Args:
            numbers: Their numbers, as in the image.
            chosen: Number of the one whose curves are shown.
            absent: Numbers of those who are not in view.
        """
        shown = tuple(numbers), chosen, tuple(absent)
        if shown == self._shown:
            return
        self._shown = shown
        if list(numbers) != list(self._buttons):
            self._offer(numbers)
        for number, button in self._buttons.items():
            is_chosen = number == chosen
            button.props(f"aria-pressed={str(is_chosen).lower()}")
            button.props(**{"remove" if is_chosen else "add": "outline"})
            button.classes(**{"add" if number in absent else "remove": "kc-absent"})

    def _offer(self, numbers: Sequence[int]) -> None:
        """New buttons; they stay while people come and go, so that none is gone as it is pressed."""
        self._row.set_visibility(len(numbers) > 1)
        self._row.clear()
        self._buttons = {}
        with self._row:
            ui.label(f"{len(numbers)} people; curves of").classes("kc-quiet")
            for number in numbers:
                button = ui.button(on_click=lambda _, number=number: self._on_choose(number))
                button.props(f"no-caps data-person={number}")
                with button:
                    ui.element("span").classes("kc-swatch").style(f"background: {css_of_person(number)}")
                    ui.label(f"Person {number}")
                self._buttons[number] = button


def people_select(state: AppState, on_change: Callable[[], None] = lambda: None) -> None:
    """The choice of how many people are tracked when the tracker is started next.

    Args:
        state: State of the app.
        on_change: Function called once the choice is kept.
    """

    def change(number: int) -> None:
        try:
            state.change(n_people=number)
        except AppError as error:
            say(str(error), is_error=True)
        on_change()

    numbers = {n: "one person" if n == 1 else f"up to {n} people" for n in range(1, MOST_PEOPLE + 1)}
    chosen = ui.select(numbers, value=state.settings.n_people, label="Tracked at once")
    chosen.props("outlined dense data-n-people").style("min-width: 10rem")
    chosen.on_value_change(lambda event: change(event.value))
