"""Replaces attributes of classes and modules, and restores exactly the objects that were there.

Others may replace the same attributes, before us or after us, and restore them in any order: also another copy of this
package. So each function of ours has a Link to what it took the place of. A function that is not needed any more is
skipped wherever it is met: functions of ours never pile up. One that somebody puts back later restores what was there
before it.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LINK = "__mock_sagemaker_ie__"


class Link:
    """The link from a function of ours to what it took the place of.

    `replaced`: the object that was there. `original`: the same as a caller would get it. `live`: whether it is needed.
    `is_needed`: whether any function of ours is needed there.
    """

    def __init__(self, owner: Any, name: str, replaced: Any, is_needed: Callable[[], bool]) -> None:
        self.owner, self.name, self._is_needed = owner, name, is_needed
        self.function: Any = None
        self.live = False
        self._watch: Any = None
        self.lead_to(replaced)

    def lead_to(self, replaced: Any) -> None:
        """Take another object as the one that was there."""
        self.replaced = replaced
        # A class binds what it has; for example the wrapper of a tracer gives another object at each access.
        is_bound = isinstance(self.owner, type) and hasattr(type(replaced), "__get__")
        self.original = type(replaced).__get__(replaced, None, self.owner) if is_bound else replaced

    def begin(self) -> None:
        """Note that the function is needed."""
        if self._watch is not None:
            self.lead_to(self.replaced)
        self._watch, self.live = None, True

    def end(self) -> None:
        """Restore what was there, also if somebody has the function and puts it back later."""
        present = vars(self.owner).get(self.name)
        self.live = False
        if present is self.function and link_of(self.replaced) is None:
            setattr(self.owner, self.name, self.replaced)
        elif link_of(present) is not None:
            setattr(self.owner, self.name, beneath(present))
        elif present is not self.replaced:
            self._wait_for_return(present)

    def _wait_for_return(self, wrapper: Any) -> None:
        """Restore the attribute once somebody has put the function back: when it is called, or their wrapper is freed.

        They may have a reference to it and no reason to tell us.
        """
        self._watch, original = True, self.original

        def restore_and_call(*args: Any, **kwargs: Any) -> Any:
            self._restore()
            return original(*args, **kwargs)

        self.original = restore_and_call
        with suppress(TypeError):  # Not everything can be referred to weakly.
            self._watch = weakref.ref(wrapper, lambda _: self._restore())

    def _restore(self) -> None:
        if not self._is_needed() and vars(self.owner).get(self.name) is self.function:
            setattr(self.owner, self.name, beneath(self.function))


def link_of(value: Any) -> Link | None:
    """Return the link of a function of ours, of any copy of this package. The wrapper of another may have it too."""
    attributes = getattr(value, "__dict__", None)
    link: Link | None = attributes.get(LINK) if isinstance(attributes, dict) else None
    return link if link is not None and link.function is value else None


def beneath(value: Any) -> Any:
    """Return the first object, from this one down, that is still needed or not ours; skip all others of ours."""
    link = link_of(value)
    while link is not None and not link.live:
        value = link.replaced
        link = link_of(value)
    if link is not None and (below := beneath(link.replaced)) is not link.replaced:
        link.lead_to(below)
    return value


def not_ours(value: Any) -> Any:
    """Return the first object, from this one down, that is not a function of ours."""
    while (link := link_of(value)) is not None:
        value = link.replaced
    return value


class Replacement:
    """An attribute of a class or module that we replace.

    `make` gets a Link and returns the function that takes the place of the attribute; it calls `original` of the link.
    """

    def __init__(self, owner: Any, name: str, make: Callable[[Link], Any]) -> None:
        self._owner, self._name, self._make = owner, name, make
        self._link: Link | None = None

    def install(self) -> None:
        """Replace the attribute."""
        if self._is_needed():
            self.remove()  # An exception interrupted an earlier change.
        replaced = beneath(vars(self._owner)[self._name])
        if self._link is None or self._link.replaced is not replaced:
            self._link = self._new_link(replaced)
        link = self._link
        link.begin()
        setattr(self._owner, self._name, link.function)

    def _new_link(self, replaced: Any) -> Link:
        link = Link(self._owner, self._name, replaced, self._is_needed)
        link.function = self._make(link)
        setattr(link.function, LINK, link)
        return link

    def _is_needed(self) -> bool:
        return self._link is not None and self._link.live

    def remove(self) -> None:
        """Restore what was there, unless somebody else has replaced ours; then ours only calls the original."""
        link = self._link
        if link is not None and (link.live or vars(self._owner).get(self._name) is link.function):
            link.end()


class Replacements:
    """A patch that consists of replacements."""

    def __init__(self, replacements: Iterable[Replacement]) -> None:
        self._replacements = tuple(replacements)

    def install(self) -> None:
        """Replace each attribute."""
        for each in self._replacements:
            each.install()

    def remove(self) -> None:
        """Restore each attribute."""
        for each in self._replacements:
            each.remove()
