"""What ``/help`` tells of the endpoints that master and agent share."""

from __future__ import annotations

from dcos.runtime.help_pages import Page

_FILES = {"path": "The virtual path, as /files/debug lists its beginnings."}


def process_pages(files: str) -> tuple[Page, ...]:
    """``files``: the ACLs that are asked before a file is shown."""
    return (
        Page("version", "", "Which release this is.", named=False),
        Page("metrics", "/snapshot", "All metrics as one flat JSON object.",
             query={"timeout": "Taken and checked; nothing here takes long."}, authorization="get_endpoints: 403."),
        Page("system", "/stats.json", "Load, processors and memory of this machine."),
        Page("logging", "/toggle", "Shows or changes for a while how much is logged.",
             query={"level": "0: as started; 1 and above: details.", "duration": "For how long, as 10secs."},
             authorization="get_endpoints: 403."),
        Page("files", "/browse", "What is in a folder.", query=_FILES, authorization=f"{files}."),
        Page("files", "/read", "A piece of a file, at most 64 KiB.",
             query={**_FILES, "offset": "Where it starts; without, only the size is told.", "length": "Bytes at most."},
             authorization=f"{files}."),
        Page("files", "/download", "A file as it is.", query=_FILES, authorization=f"{files}."),
        Page("files", "/debug", "Virtual paths and what they stand for.", authorization="get_endpoints: 403."),
        Page("profiler", "/start", "Starts to watch where time goes.",
             "400 unless LIBPROCESS_ENABLE_PROFILER=1 is in this process' environment."),
        Page("profiler", "/stop", "Ends it; the answer is a file for python -m pstats."),
        Page("__processes__", "", "Who answers here, and what waits for them.", named=False),
        Page("help", "", "These pages.", query={"format": "json: all of them at once."}, named=False),
    )  # fmt: skip


MEMORY_PAGES = (
    Page("memory-profiler", "/start", "Starts to watch who holds memory.",
         query={"duration": "For how long (5mins), at most 1days."}),
    Page("memory-profiler", "/stop", "Ends it."),
    Page("memory-profiler", "/download/text", "The places in code that hold most."),
    Page("memory-profiler", "/state", "Whether it runs and for how long still."),
    Page("memory-profiler", "/statistics", "How much is watched, and what watching costs."),
)  # fmt: skip
"""With ``--memory_profiling`` only."""
