"""What ``/help`` tells of the master's endpoints: one row each."""

from __future__ import annotations

from dcos.runtime.help_pages import Page
from dcos.runtime.process_pages import process_pages

_LEADER = (
    "Answers 307 with the leading master's address where this master does not lead, 503 while nobody leads or the leader "
    "still recovers."
)
_SEEN = "The answer leaves out, without a word, what the caller may not see: "


def _get(path: str, summary: str, seen: str = "", **query: str) -> Page:
    return Page(
        "master",
        path,
        summary,
        _LEADER,
        {**query, "jsonp": "Wrap the JSON in a call of this name."},
        authorization=f"{_SEEN}{seen}." if seen else "",
    )


def _post(path: str, summary: str, said: str, asked: str) -> Page:
    return Page("master", path, summary, f"{said}\n\n{_LEADER}", authorization=asked)


PAGES = (
    Page(
        "master",
        "/api/v1",
        "The operators' calls and their event stream.",
        f"POST of one call as application/json or application/x-protobuf.\n\n{_LEADER}",
        authorization="Depends on the call: 403, or an answer that leaves out what may not be seen.",
    ),
    Page(
        "master",
        "/api/v1/scheduler",
        "The schedulers' calls and their event stream.",
        f"POST of one call as application/json or application/x-protobuf; SUBSCRIBE holds its answer open.\n\n{_LEADER}",
        authorization="By the principal of the framework: register_frameworks, run_tasks, and those of operations.",
    ),
    _get("/state", "Everything: agents, frameworks, tasks, flags.", "view_frameworks, view_tasks, view_executors, "
         "view_roles, view_flags"),
    _get("/state-summary", "Agents and frameworks with how many tasks are in which state.", "view_frameworks, view_roles"),
    _get("/slaves", "Agents with all their resources.", "view_roles", slave_id="Only this agent."),
    _get("/frameworks", "Frameworks, present and completed.", "view_frameworks, view_tasks, view_executors",
         framework_id="Only this framework."),
    _get(
        "/tasks",
        "Tasks by the time of their first status.",
        "view_frameworks, view_tasks",
        limit="How many at most (100).",
        offset="How many to leave out first (0).",
        order="asc or des (des).",
        framework_id="Only of this framework.",
        task_id="Only of this id.",
    ),
    _get("/roles", "Roles with weight, quota and what they hold.", "view_roles"),
    _get("/maintenance/status", "Machines that are being drained or down, and what frameworks answered.",
         "get_maintenance_statuses"),
    Page("master", "/maintenance/schedule", "The schedule of maintenance.", f"GET shows it, POST replaces it.\n\n{_LEADER}",
         authorization="get_maintenance_schedules, update_maintenance_schedules."),
    _post("/machine/down", "Machines go down.", "POST of a JSON array of machines that are being drained.",
          "start_maintenances."),
    _post("/machine/up", "Machines are up again.", "POST of a JSON array of machines that are down.", "stop_maintenances."),
    Page("master", "/weights", "Weights of roles.", f"GET shows them, PUT of a JSON array sets some.\n\n{_LEADER}",
         authorization="view_roles, update_weights."),
    Page("master", "/quota", "Quota of roles.",
         f"GET shows it, POST sets that of one role, DELETE of /quota/<role> removes it.\n\n{_LEADER}",
         authorization="get_quotas, update_quotas."),
    _post("/teardown", "Ends a framework.", "POST of a form with frameworkId.", "teardown_frameworks."),
    _post("/reserve", "Reserves resources of an agent.",
          "POST of a form with slaveId, resources and, to change a reservation, source.", "reserve_resources."),
    _post("/unreserve", "Takes reservations back.", "POST of a form with slaveId and resources.", "unreserve_resources."),
    _post("/create-volumes", "Makes persistent volumes.", "POST of a form with slaveId and volumes.", "create_volumes."),
    _post("/destroy-volumes", "Destroys persistent volumes.", "POST of a form with slaveId and volumes.",
          "destroy_volumes."),
    Page("master", "/flags", "The flags this master runs with.", authorization="view_flags: 403."),
    Page("master", "/health", "200 as long as this master answers.", named=False),
    Page("master", "/redirect", "307 to the leading master.", named=False),
    Page("registrar(1)", "/registry", "What outlives a leader, as JSON.", _LEADER),
    Page("overlay-master", "/state", "Overlay networks, and each node's part of them.",
         "Told by this node's dcos-net; 404 where there is no overlay."),
    Page("overlay-agent", "/overlay", "This node's part of the overlay networks.",
         "Told by this node's dcos-net; 404 where there is no overlay."),
    *process_pages("access_mesos_logs"),
)  # fmt: skip
