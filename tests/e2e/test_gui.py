"""The web interface in a browser, on the real services as plain processes.

The tests build on each other: the first logs in, the page stays open. Whatever a page runs or shows that did not come
from the cluster would be an error on the console, which one of the last tests reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, Route, expect

from dcos.testing import netns
from dcos.testing.cluster import LocalCluster, eventually
from dcos.testing.patience import PATIENCE_S
from tests.e2e.apps import Apps
from tests.e2e.browser import browser, hindrances, picture, why_not

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

PROBE = "<img src=x onerror=\"document.title='broken in'\"><script>document.title='broken in'</script>"
SAID: list[str] = []
"""Errors of scripts, and what the console said that is no answer of a server."""


@pytest.fixture(scope="module")
def plain() -> Iterator[LocalCluster]:
    with ExitStack() as stack:
        space = None if netns.why_not() else stack.enter_context(netns.namespaces("gui"))[0]
        made = LocalCluster("e2e-gui", space)
        made.down()
        try:
            made.up(driver="process")
            yield made
        finally:
            made.down()


@pytest.fixture(scope="module")
def page(plain: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    expect.set_options(timeout=PATIENCE_S * 1000)
    with browser(plain, tmp_path_factory.mktemp("browser")) as made:
        made.on("pageerror", lambda error: SAID.append(str(error)))
        made.on("console", lambda one: SAID.append(one.text) if one.type == "error" else None)
        yield made


@pytest.fixture(scope="module")
def apps(plain: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    made = Apps(plain, tmp_path_factory.mktemp("apps"))
    try:
        yield made
    finally:
        made.end()


def go(page: Page, plain: LocalCluster, hash_: str) -> None:
    page.goto(f"{plain.facts['url']}/{hash_}")


def test_who_is_not_logged_in_comes_to_the_login_and_back(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/nodes")
    page.get_by_label("User").fill(plain.facts["admin"])
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Invalid credentials.")
    picture(page, "login")
    page.get_by_label("Password").fill(plain.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Nodes", level=1)).to_be_visible()
    assert page.url.endswith("/#/nodes")


def test_the_dashboard_shows_what_is_allocated_and_what_runs(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/dashboard")
    expect(page.get_by_text(re.compile(r"^0\.1 of \d"))).to_be_visible()
    expect(page.get_by_role("link", name="Nodes").first).to_be_visible()
    expect(page.locator(".card", has_text="Nodes").locator(".big")).to_have_text("2")
    expect(page.get_by_text("Nothing is being deployed.")).to_be_visible()
    expect(page).to_have_title("e2e-gui · DC/OS")
    # asked again while the page is open: a line grows
    eventually("two samples", lambda: len(shown(page).split()) > 1, within_s=PATIENCE_S)
    picture(page, "dashboard")


def shown(page: Page) -> str:
    return page.locator("polyline").first.get_attribute("points") or ""


def test_services_come_without_asking_for_the_page_again(page: Page, plain: LocalCluster, apps: Apps) -> None:
    go(page, plain, "#/services")
    expect(page.get_by_role("link", name="hello-world")).to_be_visible()
    apps.add("sleeps", cmd="sleep 1000", instances=2)
    row = page.get_by_role("row").filter(has_text="sleeps")
    expect(row).to_contain_text("Running")
    expect(row).to_contain_text("2/2")
    page.get_by_role("searchbox").fill("is:running slee")
    expect(page.get_by_role("link", name="hello-world")).to_have_count(0)
    picture(page, "services")
    page.get_by_role("link", name="sleeps").click()
    expect(page.get_by_text("TASK_RUNNING")).to_have_count(2)
    picture(page, "service")


def test_a_service_says_why_it_waits(page: Page, plain: LocalCluster, apps: Apps) -> None:
    apps.add("big", cmd="sleep 1000", cpus=900)
    go(page, plain, "#/services/detail/%2Fbig")
    why = page.locator(".why")
    expect(why).to_contain_text("900 cpus wanted")
    expect(page.locator("h1")).to_contain_text("Waiting")
    picture(page, "waiting")
    go(page, plain, "#/dashboard")
    expect(page.locator(".deployments")).to_contain_text("/big")


def test_nodes_and_what_runs_on_one(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/nodes")
    page.get_by_role("link", name=plain.ip("agent1")).click()
    expect(page.get_by_role("row").filter(has_text="sleeps")).not_to_have_count(0)
    expect(page.locator(".units")).to_contain_text("Mesos Agent")
    picture(page, "node")


def test_what_users_write_is_shown_and_never_run(page: Page, plain: LocalCluster, apps: Apps) -> None:
    labels = {"DESCRIPTION": PROBE, "DCOS_PACKAGE_VERSION": PROBE, "<script>alert(1)</script>": "x"}
    # fails with the probe as its last words, too
    apps.add("probe", cmd=f"echo '{PROBE.replace(chr(39), '')}'; exit 1", labels=labels, env={"X": PROBE})
    go(page, plain, "#/services/detail/%2Fprobe")
    expect(page.get_by_text("DESCRIPTION: <img src=x")).to_be_visible()
    expect(page.get_by_text("<script>alert(1)</script>: x")).to_be_visible()
    expect(page.locator("code")).to_contain_text("<img src=x")
    picture(page, "probe")
    go(page, plain, "#/services")
    expect(page.get_by_role("row").filter(has_text="probe")).to_contain_text("<script>")
    # names of groups in addresses, and of tasks on nodes, which Marathon and Mesos would refuse: answers made up
    go(page, plain, "#/services/overview/%2F<img src=x onerror=alert(1)>")
    expect(page.locator(".crumbs")).to_contain_text("<img src=x")
    task = {"id": PROBE, "name": PROBE, "state": PROBE, "resources": {}}
    made_up = {"frameworks": [{"id": "f", "name": PROBE, "executors": [{"id": "e", "tasks": [task]}]}]}
    page.route("**/agent/*/state", lambda route: route.fulfill(json=made_up))
    go(page, plain, "#/nodes")
    page.get_by_role("link", name=plain.ip("agent1")).click()
    expect(page.get_by_role("row").filter(has_text="<script>")).to_have_count(1)
    page.unroute("**/agent/*/state")
    assert page.locator("img").count() == 0
    expect(page).to_have_title("e2e-gui · DC/OS")


def test_an_error_of_a_server_is_shown_in_its_words_and_goes_away(page: Page, plain: LocalCluster) -> None:
    def refuse(route: Route) -> None:
        body = json.dumps({"message": "The leader is being elected"})
        route.fulfill(status=503, content_type="application/json", body=body)

    page.route("**/v2/groups*", refuse)
    go(page, plain, "#/services")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The leader is being elected")
    picture(page, "error")
    page.unroute("**/v2/groups*")
    expect(page.get_by_role("link", name="hello-world")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def act(page: Page, name: str) -> None:
    """Choose an action of the service's page and confirm it; the dialog closes when the server has agreed."""
    page.locator(".actions").get_by_role("button", name=name).click()
    page.get_by_role("dialog").get_by_role("button", name=name).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_an_app_is_scaled_restarted_suspended_and_resumed(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/services/detail/%2Fsleeps")
    page.get_by_role("button", name="Scale").click()
    page.get_by_role("dialog").get_by_label("Instances").fill("3")
    picture(page, "scale")
    page.get_by_role("dialog").get_by_role("button", name="Scale").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("TASK_RUNNING")).to_have_count(3)
    state = page.locator("h1 .badge")
    expect(state).to_have_text("Running")
    before = set(ids(page))
    act(page, "Restart")
    eventually("three new tasks", lambda: len(ids(page)) == 3 and not before & set(ids(page)), within_s=PATIENCE_S)
    expect(state).to_have_text("Running")
    act(page, "Suspend")
    expect(state).to_have_text("Stopped")
    act(page, "Resume")
    expect(page.get_by_text("TASK_RUNNING")).to_have_count(1)


def ids(page: Page) -> list[str]:
    """Of the tasks in the table."""
    return page.get_by_role("cell").filter(has_text="sleeps.instance").all_inner_texts()


def test_a_pod_is_scaled_and_removed(page: Page, plain: LocalCluster) -> None:
    one = {"name": "one", "exec": {"command": {"shell": "sleep 1000"}}, "resources": {"cpus": 0.1, "mem": 32}}
    body = {
        "id": "/pod",
        "containers": [one],
        "networks": [{"mode": "host"}],
        "scaling": {"kind": "fixed", "instances": 1},
    }
    url = f"{plain.facts['url']}/service/marathon/v2/pods"
    assert plain.http(url, method="POST", body=body, token=plain.token()).status == 201
    go(page, plain, "#/services/detail/%2Fpod")
    expect(page.get_by_text("STABLE")).to_have_count(1)
    page.get_by_role("button", name="Scale").click()
    page.get_by_role("dialog").get_by_label("Instances").fill("2")
    page.get_by_role("dialog").get_by_role("button", name="Scale").click()
    expect(page.get_by_text("STABLE")).to_have_count(2)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_label("To be sure, type").fill("pod")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    expect(page.get_by_role("link", name="pod", exact=True)).to_have_count(0)


def test_what_a_deployment_holds_is_refused_in_marathons_words_and_can_be_forced(
    page: Page, plain: LocalCluster
) -> None:
    go(page, plain, "#/services/detail/%2Fbig")
    page.get_by_role("button", name="Scale").click()
    dialog = page.get_by_role("dialog")
    page.get_by_role("dialog").get_by_label("Instances").fill("2")
    dialog.get_by_role("button", name="Scale").click()
    expect(dialog.get_by_role("alert")).to_contain_text("locked by one or more deployments")
    picture(page, "locked")
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Scale").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".facts")).to_contain_text("0 of 2")


def test_a_deployment_is_rolled_back(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/dashboard")
    row = page.locator(".deployments li").filter(has_text="/big")
    row.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    go(page, plain, "#/services/detail/%2Fbig")
    expect(page.locator(".facts")).to_contain_text("0 of 1")


def test_a_service_is_removed_only_by_who_types_its_name(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/services/detail/%2Fsleeps")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    sure = dialog.get_by_role("button", name="Delete")
    expect(sure).to_be_disabled()
    dialog.get_by_label("To be sure, type").fill("sleep")
    expect(sure).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_label("To be sure, type").fill("sleeps")
    picture(page, "delete")
    sure.click()
    expect(page.get_by_role("link", name="hello-world")).to_be_visible()
    expect(page.get_by_role("link", name="sleeps")).to_have_count(0)


def test_a_node_is_deactivated_drained_and_brought_back(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/nodes")
    page.get_by_role("link", name=plain.ip("public1")).click()
    state = page.locator("h1 .badge")
    act(page, "Deactivate")
    expect(state).to_have_text("Deactivated")
    act(page, "Reactivate")
    expect(state).to_have_text("Active")
    act(page, "Drain")
    expect(state).to_have_text("Drained")
    picture(page, "drained")
    # a refusal, made up, is shown in its words; the dialog stays for another try
    page.route(
        "**/mesos/api/v1", lambda route: route.fulfill(status=400, content_type="text/plain", body="Invalid agent")
    )
    page.locator(".actions").get_by_role("button", name="Reactivate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Reactivate").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Invalid agent")
    page.unroute("**/mesos/api/v1")
    dialog.get_by_role("button", name="Reactivate").click()
    expect(state).to_have_text("Active")


def test_of_ten_thousand_services_those_in_sight_are_drawn(page: Page, plain: LocalCluster) -> None:
    one = {"cmd": "true", "cpus": 0.1, "mem": 32, "disk": 0, "instances": 1, "version": "v", "tasksRunning": 1}
    apps = [{"id": f"/made-up-{number}", **one} for number in range(10_000)]
    page.route("**/v2/groups*", lambda route: route.fulfill(json={"id": "/", "groups": [], "apps": apps, "pods": []}))
    go(page, plain, "#/services")
    table = page.get_by_role("table")
    expect(table).to_have_attribute("aria-rowcount", "10001")
    assert page.get_by_role("row").count() < 60
    page.locator(".body").evaluate("one => one.scrollTo(0, one.scrollHeight)")
    expect(page.get_by_role("link", name="made-up-9999")).to_be_visible()
    assert page.get_by_role("row").count() < 60
    page.unroute("**/v2/groups*")
    expect(page.get_by_role("link", name="hello-world")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_hindrance_on_any_page(page: Page, plain: LocalCluster, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.evaluate("localStorage.removeItem('dcos-theme')")
    found = {}
    for hash_ in ("#/dashboard", "#/services", "#/services/detail/%2Fhello-world", "#/nodes"):
        go(page, plain, hash_)
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.locator(".card, .body .row").first).to_be_visible()
        found[hash_] = hindrances(page)
    page.get_by_role("link", name=plain.ip("agent1")).click()
    expect(page.locator(".units li").first).to_be_visible()
    found["node"] = hindrances(page)
    page.get_by_role("button", name="Drain").click()
    found["dialog"] = hindrances(page)
    page.keyboard.press("Escape")
    go(page, plain, "#/login")
    expect(page.get_by_label("Password")).to_be_visible()
    found["login"] = hindrances(page)
    go(page, plain, "#/dashboard")
    assert {name: what for name, what in found.items() if what} == {}


def test_by_keyboard_in_chinese_in_the_dark_and_on_a_phone(page: Page, plain: LocalCluster) -> None:
    go(page, plain, "#/dashboard")
    page.reload()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    go(page, plain, "#/nodes")
    head = page.get_by_role("button", name="Host")
    head.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader").first).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Language").select_option("zh")
    expect(page.get_by_role("heading", level=1)).to_have_text("节点")
    dark = page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="浅色或深色").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light" if dark else "dark")
    page.set_viewport_size({"width": 390, "height": 780})
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("节点")
    expect(page.locator("html")).to_have_attribute("data-theme", "light" if dark else "dark")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(page, "phone")
    page.get_by_label("语言").select_option("en")


def test_logging_out_leaves_nothing(page: Page, plain: LocalCluster) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    go(page, plain, "#/dashboard")
    expect(page.get_by_label("Password")).to_be_visible()
    picture(page, "logged-out")
    assert not [cookie for cookie in page.context.cookies() if cookie["name"].startswith("dcos-acs")]


def test_providers_that_log_in_by_the_browser_have_a_button(page: Page, plain: LocalCluster) -> None:
    kind = {"authentication-type": "oidc-authorization-code-flow", "description": "The house", "config": {}}
    page.route("**/auth/providers", lambda route: route.fulfill(json={"house": kind}))
    go(page, plain, "#/login?redirect=%2F%23%2Fnodes")
    page.reload()
    button = page.get_by_role("link", name="Log in with The house")
    assert button.get_attribute("href") == "/acs/api/v1/auth/login?oidc-provider=house&target=%2F%23%2Fnodes"
    page.unroute("**/auth/providers")


def test_nothing_was_refused_by_the_policy_and_no_script_failed(page: Page) -> None:
    # those are answers: of the login, of who is not logged in, the one made up, of what a deployment
    # holds, and services that are not there (any more)
    kept = [one for one in SAID if not re.search(r"status of (400|401|503|404|409)", one)]
    assert kept == []


def test_the_page_comes_with_a_strict_policy(plain: LocalCluster) -> None:
    url = plain.facts["url"]
    answer = plain.http(f"{url}/")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-cache"
    assets = re.findall(r"/assets/[^\"]+", answer.text)
    assert len(assets) >= 2
    for asset in assets:
        kept = {name.lower(): value for name, value in plain.http(f"{url}{asset}").headers.items()}
        assert "immutable" in kept["cache-control"]
    assert plain.http(f"{url}/assets/none.js").status == 404
