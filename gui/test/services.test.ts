import assert from "node:assert/strict";
import { test } from "node:test";
import type { App, Group, Pod } from "../src/api/types";
import { above, appState, everything, findGroup, findService, matching, podState, rowsOf, taskHealth, waitingOf } from "../src/core/services";

const app = (id: string, more: Partial<App> = {}): App => ({
  id, cpus: 0.5, mem: 128, disk: 0, instances: 2, version: "v", tasksRunning: 2, ...more,
}); // prettier-ignore
const pod: Pod = {
  id: "/shop/pod",
  spec: { id: "/shop/pod", scaling: { kind: "fixed", instances: 1 }, containers: [{ name: "a", resources: { cpus: 1, mem: 64 } }] },
  instances: [{ id: "i", status: "STABLE" }],
};
const root: Group = {
  id: "/",
  apps: [app("/web")],
  pods: [],
  groups: [{ id: "/shop", groups: [], apps: [app("/shop/db", { instances: 4, tasksRunning: 1, tasksUnhealthy: 1 })], pods: [pod] }],
};
const nobody = waitingOf(undefined);

test("the state of an app is the first that fits", () => {
  const deploying = { deployments: [{ id: "d" }] };
  const cases: [string, Partial<App>, { delayed: boolean } | undefined][] = [
    ["deleting", { env: { SDK_UNINSTALL: "true" }, instances: 0, tasksRunning: 0 }, undefined],
    ["stopped", { instances: 0, tasksRunning: 0 }, undefined],
    ["delayed", deploying, { delayed: true }],
    ["recovering", {}, { delayed: false }],
    ["waiting", deploying, { delayed: false }],
    ["deploying", deploying, undefined],
    ["deploying", { ...deploying, instances: 0, tasksRunning: 0 }, undefined],
    ["running", {}, undefined],
    ["none", { tasksRunning: 0 }, undefined],
  ];
  for (const [state, more, queued] of cases) assert.equal(appState(app("/a", more), queued), state);
});

test("the state of a pod", () => {
  assert.equal(podState(pod, undefined), "running");
  assert.equal(podState(pod, { delayed: true }), "delayed");
  assert.equal(podState({ ...pod, instances: [{ id: "i", status: "TERMINAL" }] }, undefined), "deploying");
  assert.equal(podState({ ...pod, spec: { ...pod.spec, scaling: { instances: 0 } }, instances: [] }, undefined), "stopped");
});

test("a group sums what is in it and shows the state that most wants a look", () => {
  const waiting = waitingOf({ queue: [{ app: { id: "/shop/db" }, delay: { overdue: true, timeLeftSeconds: 0 } }] });
  const [shop, web] = rowsOf(root, waiting);
  assert.deepEqual([shop?.kind, shop?.state, shop?.running, shop?.wanted], ["group", "recovering", 2, 5]);
  assert.deepEqual(shop?.resources, { cpus: 3, mem: 576, disk: 0, gpus: 0 });
  assert.equal(shop?.health.unhealthy, 1);
  assert.deepEqual([web?.kind, web?.name, web?.state], ["app", "web", "running"]);
});

test("search looks below the group, by words and by state", () => {
  const all = everything(root, nobody);
  const ids = (asked: string) => matching(all, asked).map((row) => row.id);
  assert.deepEqual(ids("shop"), ["/shop/db", "/shop/pod"]);
  assert.deepEqual(ids("SHOP is:unhealthy"), ["/shop/db"]);
  assert.deepEqual(ids("is:pod"), ["/shop/pod"]);
  assert.deepEqual(ids("is:running web"), ["/web"]);
  assert.deepEqual(ids("nothing"), []);
});

test("groups and services are found by id", () => {
  assert.equal(findGroup(root, "/shop")?.id, "/shop");
  assert.equal(findGroup(root, "/sho"), undefined);
  assert.equal(findService(root, "/web")?.id, "/web");
  assert.equal(findService(root, "/shop/pod")?.id, "/shop/pod");
  assert.equal(findService(root, "/shop/none"), undefined);
  assert.deepEqual(above("/a/b/c"), ["/", "/a", "/a/b"]);
});

test("a task is healthy when all of its checks say so", () => {
  assert.equal(taskHealth({ id: "t", state: "TASK_RUNNING" }), "none");
  assert.equal(taskHealth({ id: "t", state: "", healthCheckResults: [{ alive: true }, { alive: false }] }), "unhealthy");
  assert.equal(taskHealth({ id: "t", state: "", healthCheckResults: [{ alive: true }] }), "healthy");
});
