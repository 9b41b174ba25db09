"""The instance itself: metrics, levels, configuration, backups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dcos.marathon import backup
from dcos.store import archive
from dcos.store.memory import MemoryEnsemble
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 2}


async def test_metrics_have_upstreams_names(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", APP, 201)
    await marathon.settled()
    await marathon.ask("GET", "/v2/apps/none", status=404)
    told = await marathon.ask("GET", "/metrics", status=200)
    assert told["gauges"]["marathon.apps.active.gauge"] == {"value": 1}
    assert told["gauges"]["marathon.instances.running.gauge"] == {"value": 2}
    assert "marathon.leadership.duration.gauge.seconds" in told["gauges"]
    assert told["counters"]["marathon.mesos.offer-operations.launch.counter"]["count"] > 0
    assert told["counters"]["marathon.instances.launched.counter"] == {"count": 2}
    assert told["counters"]["marathon.deployments.counter"] == {"count": 1}
    assert told["counters"]["marathon.http.responses.4xx.counter"] == {"count": 1}
    timer = told["timers"]["marathon.http.requests.post.timer.seconds"]
    assert timer["count"] == 1
    assert timer["min"] <= timer["p50"] <= timer["max"]


async def test_events_of_checks_and_of_changes_that_fail(marathon: Running) -> None:
    check = {"protocol": "TCP", "intervalSeconds": 600}
    async with marathon.client.get("/v2/events", headers={"Accept": "text/event-stream"}) as stream:
        await marathon.ask("POST", "/v2/apps", {**APP, "cpus": 1000, "healthChecks": [check]}, 201)
        await marathon.ask("POST", "/v2/apps", APP, 409)
        await marathon.ask("DELETE", "/v2/apps/web?force=true", status=200)
        await marathon.settled()
        seen = ""
        while "app_terminated_event" not in seen:
            seen += (await stream.content.readline()).decode()
    order = [line[7:].strip() for line in seen.splitlines() if line.startswith("event: ")]
    wanted = ["add_health_check_event", "group_change_failed", "deployment_step_failure", "remove_health_check_event"]
    assert [one for one in order if one in wanted] == wanted
    assert '"reason":"An app with id [/web] already exists."' in seen


async def test_prometheus_text_where_it_is_enabled(house: House) -> None:
    async with house.marathon() as marathon:
        await marathon.ask("GET", "/metrics/prometheus", status=404)
    house.settings["metrics_prometheus"] = True
    async with house.marathon() as marathon:
        await marathon.ask("GET", "/v2/apps", status=200)
        text = (await marathon.ask("GET", "/metrics/prometheus", status=200)).decode()
        assert "marathon_apps_active 0.0" in text
        assert "marathon_http_responses_size_bytes_total" in text


async def test_levels_are_shown_and_set_for_a_while(marathon: Running) -> None:
    assert "ROOT" in await marathon.ask("GET", "/logging", status=200)
    await marathon.ask("POST", "/logging", {"logger": "a.b", "level": "debug", "durationSeconds": 60}, 200)
    assert (await marathon.ask("GET", "/logging"))["a.b"] == "DEBUG"
    wrong = await marathon.ask("POST", "/logging", {"logger": "a.b", "level": "loud"}, 422)
    assert wrong["message"].startswith("level: 'loud' is none of")
    wrong = await marathon.ask("POST", "/logging", {"logger": "a.b", "level": "off", "durationSeconds": -1}, 422)
    assert wrong["message"] == "durationSeconds: must be between 1 and 86400"


async def test_settings_are_shown_without_secrets(house: House) -> None:
    house.settings |= {"mesos_authentication_secret": "hidden", "webui_url": "http://user:hidden@site/"}
    async with house.marathon() as marathon:
        shown = await marathon.ask("GET", "/config", status=200)
        assert shown["framework_name"] == "marathon"
        assert shown["webui_url"] == "http://site/"
        assert "hidden" not in str(shown)


async def test_a_backup_brings_apps_back(house: House, tmp_path: Path) -> None:
    location = f"file://{tmp_path}/marathon.tgz"
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", APP, 201)
        await marathon.settled()
        wrong = await marathon.ask("DELETE", "/v2/leader?backup=s3://bucket/key", status=422)
        assert wrong["message"] == "'s3://bucket/key' is no file:///absolute/path"
        await marathon.ask("DELETE", f"/v2/leader?backup={location}", status=200)
    async with house.marathon() as marathon:
        assert (tmp_path / "marathon.tgz").stat().st_mode & 0o777 == 0o600
        await marathon.ask("DELETE", "/v2/apps/web", status=200)
        await marathon.settled()
        await marathon.until("all gone", lambda: not marathon.leader.state.instances)
    elsewhere = House(mesos=house.mesos)
    async with elsewhere.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", {**APP, "id": "/other"}, 201)
        await marathon.settled()
        await marathon.ask("DELETE", f"/v2/leader?restore={location}", status=200)
    async with elsewhere.marathon() as marathon:
        assert set(marathon.leader.state.apps) == {"/web"}
        assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["instances"] == 2


async def test_a_bad_backup_changes_nothing(house: House, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no archive")
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", APP, 201)
        await marathon.settled()
        await marathon.ask("DELETE", f"/v2/leader?restore=file://{tmp_path}/bad", status=200)
    async with house.marathon() as marathon:
        assert set(marathon.leader.state.apps) == {"/web"}
        assert await marathon.leader.repository.app_version("/web", "none") is None


async def test_archives_hold_all_but_what_dies_with_its_session() -> None:
    store = MemoryEnsemble().session()
    await store.create("/a/b/c", b"1", parents=True)
    await store.create("/a/b/e", b"2", ephemeral=True)
    await store.create("/a/own", b"3")
    made = await archive.dump(store, "/a", without={"own"})
    assert archive.read(made) == {"b": b"", "b/c": b"1"}
    assert made == await archive.dump(store, "/a", without={"own"})


@pytest.mark.parametrize("location", ["/tmp/x", "file://host/x", "file:///", "file:relative", "http://x/y"])
def test_where_backups_cannot_be(location: str) -> None:
    with pytest.raises(backup.BadLocation):
        backup.path_of(location)
