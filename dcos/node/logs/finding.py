"""Which task is meant, and where it is: the master's list, asked through Admin Router as whoever asks us."""

from __future__ import annotations

import aiohttp
import msgspec

from dcos.node.core.task_paths import Task, choose

_PAGE = 2000
_MOST_PAGES = 100


class FindError(Exception):
    """``status``: of the answer that is due."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class _Page(msgspec.Struct):
    tasks: list[Task] = []


class Finder:
    """``router``: an Admin Router of the masters."""

    def __init__(self, session: aiohttp.ClientSession, router: str) -> None:
        self._session = session
        self._url = f"{router}/mesos/master/tasks"
        self._decoder = msgspec.json.Decoder(_Page)

    async def find(self, id: str, authorization: str | None) -> Task | None:
        """The task of this id, or the one that has it in its id.   Errors: FindError, Ambiguous."""
        exact = await self._page({"task_id": id}, authorization)
        if found := choose(id, (task for task in exact if task.id == id)):
            return found
        matching: list[Task] = []
        for number in range(_MOST_PAGES):
            page = await self._page({"limit": str(_PAGE), "offset": str(number * _PAGE)}, authorization)
            matching += (task for task in page if id in task.id)
            if len(page) < _PAGE:
                break
        return choose(id, matching)

    async def _page(self, query: dict[str, str], authorization: str | None) -> list[Task]:
        headers = {"Authorization": authorization} if authorization else {}
        try:
            async with self._session.get(self._url, params=query, headers=headers, allow_redirects=False) as answer:
                body = await answer.read()
                if answer.status in (401, 403):
                    raise FindError(answer.status, "Mesos may not be asked for its tasks with this token\n")
                if answer.status != 200:
                    raise FindError(503, f"Mesos does not tell its tasks: status {answer.status}\n")
            return self._decoder.decode(body).tasks
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            raise FindError(503, f"Mesos does not tell its tasks: {error or type(error).__name__}\n") from None
