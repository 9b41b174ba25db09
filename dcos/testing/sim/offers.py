"""What a framework does with offers: it takes, declines or holds them, and answers whether agents may go for maintenance.

It also suppresses its role while it wants nothing, and revives it. One instance's offers end with its subscription.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.model.v1.types import Filters, Offer, OfferID, OfferOperation
from dcos.testing.sim import launches

if TYPE_CHECKING:
    from dcos.testing.sim.driver import Driver
    from dcos.testing.sim.framework import FrameworkProcess

LATE_S = 150.0
"""So long an offer may have been held back on its way."""
_WISHES = ("cpus:0.5;mem:64", "cpus:1;mem:128", "cpus:1.5;mem:32")


class Offers:
    """Of one framework's newest subscription."""

    def __init__(self, framework: FrameworkProcess) -> None:
        self._framework = framework
        self._world = framework.world
        self.open: dict[str, Offer] = {}
        """Not answered yet."""
        self.asked: dict[str, str] = {}
        """Inverse offers that were not answered yet, with their agents."""
        self.suppressed = False
        self._said = False
        self.hushed = False
        """The master has taken that the role is suppressed."""
        self._hushed_at = 0.0
        self.keep_all = False
        """Nothing is answered: the judge looks at who is offered what."""

    def begin(self) -> tuple[str, ...]:
        """A new subscription: the roles that it suppresses from its start."""
        self.open.clear()
        self.asked.clear()
        habits = self._framework.habits
        self.suppressed = self.hushed = habits.hushes and habits.aware and not self._wants()
        self._hushed_at = self._world.loop.time()
        return (habits.role,) if self.suppressed else ()

    def _wants(self) -> bool:
        return self.keep_all or self._framework.wanted() > 0

    # ---- what is heard -----------------------------------------------------------------------------------------------

    def hear(self, driver: Driver, event: Event) -> None:
        if event.offers is not None:
            for offer in event.offers.offers:
                self._offered(driver, offer)
        elif event.rescind is not None:
            self._world.trace(self._framework.name, "loses", event.rescind.offer_id.value)
            self.open.pop(event.rescind.offer_id.value, None)
        elif event.inverse_offers is not None:
            for asked in event.inverse_offers.inverse_offers:
                self.asked[asked.id.value] = asked.agent_id.value if asked.agent_id is not None else ""
                self._asked(driver, asked.id)
        elif event.type is EventType.RESCIND_INVERSE_OFFER and event.rescind_inverse_offer is not None:
            self.asked.pop(event.rescind_inverse_offer.inverse_offer_id.value, None)

    def done(self, call: Call) -> None:
        """The master took a call."""
        if call.type is CallType.SUPPRESS:
            self.hushed, self._hushed_at = self.suppressed, self._world.loop.time()
        elif call.type is CallType.REVIVE:
            self.hushed = False

    # ---- offers ------------------------------------------------------------------------------------------------------

    def _offered(self, driver: Driver, offer: Offer) -> None:
        rng, name = driver.life.rng, offer.id.value
        self.open[name] = offer
        if self.hushed and self._world.loop.time() - self._hushed_at > LATE_S:
            self._world.trace.violation(self._framework.name, f"is offered {name} though it suppressed its role")
        if self.keep_all:
            return
        if self._framework.habits.ponders and not self._world.quiet and rng.random() < 0.4:
            later_s = rng.choice((0.1, 1.0, 8.0, 25.0))
            self._world.loop.call_later(later_s, self._answer_later, driver, offer)
        else:
            self._answer(driver, offer)

    def _answer_later(self, driver: Driver, offer: Offer) -> None:
        if driver is self._framework.driver and driver.life.alive and offer.id.value in self.open:
            self._answer(driver, offer)

    def _answer(self, driver: Driver, offer: Offer) -> None:
        """Use it or not.   It is over either way."""
        rng, framework = driver.life.rng, self._framework
        self.open.pop(offer.id.value, None)
        free = Resources.of(offer.resources).unreserved()
        if framework.habits.reserves and not self._world.quiet and rng.random() < 0.3:
            operation = framework.reservations.choose(rng, offer)
            if operation is not None:
                self._accept(driver, offer, operation, None)
                return
        wishes: list[Resources] = []
        for _ in range(min(framework.wanted(), rng.randint(1, 3))):
            wish = Resources.parse(rng.choice(_WISHES))
            if not free.contains(wish):
                break
            free -= wish
            wishes.append(wish)
        if not wishes:
            self.decline(driver, offer.id)
        else:
            operation = launches.choose(framework, driver.life.rng, offer, wishes, free)
            self._accept(driver, offer, operation, Filters(refuse_seconds=rng.choice((0.0, 1.0, 5.0))))
        self.consider(driver)

    def _accept(self, driver: Driver, offer: Offer, operation: OfferOperation, filters: Filters | None) -> None:
        accept = scheduler.CallAccept(offer_ids=(offer.id,), operations=(operation,), filters=filters)
        self._framework.call_by(driver, CallType.ACCEPT, accept=accept)

    def decline(self, driver: Driver, offer: OfferID) -> None:
        refuse_s = 30.0 if self._world.quiet else driver.life.rng.choice((1.0, 5.0, 20.0))
        decline = scheduler.CallDecline(offer_ids=(offer,), filters=Filters(refuse_seconds=refuse_s))
        self._framework.call_by(driver, CallType.DECLINE, decline=decline)

    # ---- suppression -------------------------------------------------------------------------------------------------

    def consider(self, driver: Driver) -> None:
        """Suppress the role when nothing more is wanted, revive it when something is."""
        wants = self._wants()
        if not driver.subscribed or not self._framework.habits.hushes or self.suppressed is not wants:
            return
        self.suppressed = not wants
        self._world.trace(self._framework.name, "suppresses" if self.suppressed else "revives")
        if self.suppressed:
            self._framework.call_by(driver, CallType.SUPPRESS, suppress=scheduler.CallSuppress())
        else:
            self.hushed = False
            self._framework.call_by(driver, CallType.REVIVE, revive=scheduler.CallRevive())

    # ---- the judge's questions ---------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Ask for everything, and keep it."""
        self.keep_all = True
        self.suppressed = self.hushed = False
        self._framework.call(CallType.REVIVE, revive=scheduler.CallRevive())

    def release(self) -> None:
        self.keep_all = False
        driver = self._framework.driver
        if driver is not None:
            for offer in list(self.open.values()):
                self.decline(driver, offer.id)
            self.open.clear()
            self.consider(driver)

    # ---- maintenance -------------------------------------------------------------------------------------------------

    def _asked(self, driver: Driver, asked: OfferID) -> None:
        rng = driver.life.rng
        self._world.trace(self._framework.name, "is asked to leave", self.asked[asked.value])
        if self._world.quiet or rng.random() < 0.3:
            return
        del self.asked[asked.value]
        filters = Filters(refuse_seconds=rng.choice((1.0, 5.0, 60.0)))
        if rng.random() < 0.5:
            accept = scheduler.CallAcceptInverseOffers(inverse_offer_ids=(asked,), filters=filters)
            self._framework.call_by(driver, CallType.ACCEPT_INVERSE_OFFERS, accept_inverse_offers=accept)
        else:
            decline = scheduler.CallDeclineInverseOffers(inverse_offer_ids=(asked,), filters=filters)
            self._framework.call_by(driver, CallType.DECLINE_INVERSE_OFFERS, decline_inverse_offers=decline)
