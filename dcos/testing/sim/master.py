"""A master: the real election, registry, writer and core; its HTTP side is replaced by the simulated network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dcos.master.api import Api
from dcos.master.api_agents import exchange
from dcos.master.api_scheduler import subscribed
from dcos.master.config import Config
from dcos.master.core.call_validation import call_problem
from dcos.master.core.events import SchedulerCall
from dcos.master.core.state import State
from dcos.master.reads import Fragments, get_agents
from dcos.master.service import contend, make_info
from dcos.master.streams import Stream
from dcos.master.writer import EXIT_LEADERSHIP, Writer
from dcos.model.v1.scheduler import Call, Event, EventType
from dcos.runtime.app import App, Exit
from dcos.store.base import SessionLost
from dcos.store.url import ZkUrl
from dcos.testing.sim.network import Answer, End, Refused
from dcos.testing.sim.orders import Order
from dcos.testing.sim.process import Life, Process
from dcos.wire import mesos_json
from dcos.wire.mesos_codec import JSON

if TYPE_CHECKING:
    from dcos.testing.sim.truth import Truth
    from dcos.testing.sim.world import World

PORT = 5050
_HEARTBEAT = mesos_json.encode(Event(type=EventType.HEARTBEAT))


class MasterProcess(Process):
    kind = "master"

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, f"master{number}", f"10.0.0.{number}")
        self.api: Api | None = None
        self.session: Any = None

    def config(self) -> Config:
        scale = self.world.scale
        return Config(
            zk=ZkUrl.parse("zk://zk:2181/mesos"),
            zk_session_timeout=scale.session_s,
            agent_ping_timeout=scale.ping_s,
            max_agent_ping_timeouts=scale.missed_pings,
            agent_reregister_timeout=scale.reregister_s,
            allocation_interval=scale.allocation_s,
            offer_timeout=scale.offer_timeout_s,
            agent_removal_rate_limit=scale.removals,
            registry_gc_interval=60.0,
        )

    @property
    def leads(self) -> bool:
        """It serves as the leader, as far as it knows."""
        return self.running and self.api is not None and self.api.leads and self.api.state.recovered_at is not None

    async def run(self, life: Life, app: App[Any]) -> None:
        config: Config = app.config
        info = make_info(f"m{self.name[-1]}x{life.number}", self.host, PORT, self.host)
        state = State(config.rules(), info, app.clock.now(), shuffle=app.rng.shuffle)
        writer = JudgedWriter(state, app.clock, store_timeout_s=config.registry_store_timeout, max_subscribers=10)
        writer.truth = self.world.truth
        api = Api(writer, config)
        store = self.session = self.world.session(life)
        self.api = api
        self.world.network.listen(f"{self.host}:{PORT}", life, self._handler(api, life))
        app.spawn(writer.run(), name="writer")
        try:
            await contend(app, store, api)
        except SessionLost as error:
            raise Exit(EXIT_LEADERSHIP, f"leadership or the ZooKeeper session was lost: {error}") from error
        finally:
            await store.close()

    def _handler(self, api: Api, life: Life) -> Any:
        async def handle(end: End, path: str, body: Any) -> None:
            if not api.leads or api.state.recovered_at is None:
                raise Refused(503 if api.leader is None or api.leads else 307)
            await api.writer.settled()
            if path == "/link":
                await self._link(api, life, end)
            elif path == "/subscribe":
                await self._subscribe(api, life, end, body)
            elif path == "/call":
                await self._call(api, end, *body)
            elif path == "/operator":
                await self._operate(api, end, body)
            elif path == "/agents":
                listed = b"".join(get_agents(api.state, Fragments(JSON)).slices()).decode()
                await end.write(Answer(200, f'{{"type":"GET_AGENTS","get_agents":{listed}}}'))

        return handle

    async def _link(self, api: Api, life: Life, end: End) -> None:
        await end.write(Answer(200))
        link = Stream(self.world.new_id("link"))
        await exchange(api.writer, link, end.read, link.pump(end.write), peer=end.peer.life.host)

    async def _subscribe(self, api: Api, life: Life, end: End, body: bytes) -> None:
        call = mesos_json.decode(body, Call)
        problem = call_problem(call)
        if problem is not None:
            raise Refused(400, problem)
        stream = Stream(self.world.new_id("stream"), JSON)
        await end.write(Answer(200, stream.id))
        with subscribed(api.writer, stream, call):
            watch = life.spawn(_cut_when_gone(end, stream), "reader")
            try:
                await stream.pump(end.write, heartbeat=_HEARTBEAT)
            finally:
                watch.cancel()

    async def _call(self, api: Api, end: End, stream: str, body: bytes) -> None:
        call = mesos_json.decode(body, Call)
        problem = call_problem(call)
        if problem is not None:
            raise Refused(400, problem)
        number, answer = api.writer.request()
        api.writer.put(SchedulerCall(api.writer.now(), number, stream, call))
        done = await answer
        await end.write(Answer(done.status, done.text))

    async def _operate(self, api: Api, end: End, order: Order) -> None:
        number, answer = api.writer.request()
        api.writer.put(order.event(api.writer.now(), number))
        done = await answer
        self.world.trace(self.name, "answers", order.words, done.status, done.text or "")
        await end.write(Answer(done.status, done.text))


class JudgedWriter(Writer):
    """Shows the judge every run of the allocator."""

    truth: Truth

    def _settle(self, now: float) -> None:
        runs, before = self.state.allocator.runs, frozenset(self.state.offers) if self.state.quotas else frozenset()
        super()._settle(now)
        if self.state.quotas and self.state.allocator.runs != runs:
            self.truth.allocated(self.state, before)


async def _cut_when_gone(end: End, stream: Stream) -> None:
    """As the HTTP server does when the client's side ends."""
    try:
        while await end.read() != b"":
            pass
    except ConnectionError:
        pass
    stream.close()
