"""What one repository holds: the packages it offers, those left out and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dcos.wire.universe import Broken, Package, runs_on


@dataclass(frozen=True, slots=True)
class Contents:
    packages: tuple[Package, ...] = ()
    broken: tuple[Broken, ...] = ()
    """They break a rule of the format."""
    too_new: tuple[Package, ...] = ()
    """They ask for a newer DC/OS."""
    form: str = "tree"
    """``tree``, ``zip``, or a repository JSON's ``v3``, ``v4``, ``v5``."""

    @classmethod
    def for_release(
        cls, packages: Iterable[Package], broken: Iterable[Broken], release: str, form: str = "tree"
    ) -> Contents:
        """Where nobody chose by ``minDcosReleaseVersion`` yet: servers of JSON do, folders and archives cannot."""
        every = tuple(packages)
        return cls(
            packages=tuple(one for one in every if runs_on(one, release)),
            broken=tuple(broken),
            too_new=tuple(one for one in every if not runs_on(one, release)),
            form=form,
        )

    def joined(self, other: Contents) -> Contents:
        """Both, as one repository."""
        return Contents(
            self.packages + other.packages, self.broken + other.broken, self.too_new + other.too_new, self.form
        )
