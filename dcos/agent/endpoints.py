"""What ``/help`` tells of the agent's endpoints: one row each."""

from __future__ import annotations

from dcos.runtime.help_pages import Page
from dcos.runtime.process_pages import process_pages

_AGENT = "slave(1)"
_JSONP = {"jsonp": "Wrap the JSON in a call of this name."}
_RECOVERY = "Answers 503 until the agent has found again what it ran before its restart."

PAGES = (
    Page(
        _AGENT,
        "/api/v1",
        "The operators' calls, and those that run commands and containers in containers.",
        "POST of one call as application/json or application/x-protobuf; ATTACH_CONTAINER_INPUT as "
        f"application/recordio.\n\n{_RECOVERY}",
        authorization="Depends on the call: 403, or an answer that leaves out what may not be seen.",
    ),
    Page(
        _AGENT,
        "/api/v1/executor",
        "The executors' calls and their event stream.",
        "POST of one call as application/json or application/x-protobuf; SUBSCRIBE holds its answer open. With "
        f"--authenticate_http_executors, each call has to show the token its executor was given.\n\n{_RECOVERY}",
        named=False,
    ),
    Page(_AGENT, "/state", "Everything: resources, frameworks, executors, tasks, flags.", _RECOVERY, _JSONP,
         authorization="The answer leaves out, without a word, what the caller may not see: view_frameworks, "
         "view_executors, view_tasks, view_flags."),
    Page(_AGENT, "/containers", "What each running executor uses, and where it is.", query=_JSONP,
         authorization="get_endpoints: 403. view_containers: left out."),
    Page(_AGENT, "/containerizer/debug", "What containers wait for at this moment: downloads, mounts, networks.",
         "JSON: pending holds one object an operation that has begun and not ended, with operation, component and args.",
         _JSONP, authorization="get_endpoints: 403."),
    Page(_AGENT, "/monitor/statistics", "What each running executor uses.", query=_JSONP,
         authorization="get_endpoints: 403."),
    Page(_AGENT, "/flags", "The flags this agent runs with.", query=_JSONP, authorization="view_flags: 403."),
    Page(_AGENT, "/health", "200 as long as this agent answers.", named=False),
    Page("overlay-agent", "/overlay", "This node's part of the overlay networks.",
         "Told by this node's dcos-net; 404 where there is no overlay."),
    *process_pages("access_sandboxes; of the log: access_mesos_logs"),
)  # fmt: skip
