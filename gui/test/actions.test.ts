import assert from "node:assert/strict";
import { test } from "node:test";
import type { App, Pod } from "../src/api/types";
import { actionsOf, mayForce, proofOf, requestFor } from "../src/core/actions";

const app = (more: Partial<App> = {}): App => ({ id: "/shop/we b", cpus: 1, mem: 1, disk: 0, instances: 2, version: "v", ...more });
const pod: Pod = { id: "/p", spec: { id: "/p", containers: [{ name: "c" }], labels: { a: "b" }, scaling: { kind: "fixed", instances: 0 } } };

test("what may be done depends on what a service is", () => {
  assert.deepEqual(actionsOf(app()), ["scale", "restart", "suspend", "remove"]);
  assert.deepEqual(actionsOf(app({ instances: 0 })), ["scale", "resume", "remove"]);
  assert.deepEqual(actionsOf(app({ labels: { MARATHON_SINGLE_INSTANCE_APP: "true" } })), ["restart", "suspend", "remove"]);
  assert.deepEqual(actionsOf(app({ labels: { DCOS_COMMONS_API_VERSION: "v1" } })), ["remove"]);
  assert.deepEqual(actionsOf(pod), ["scale", "resume", "remove"]);
});

test("an app is scaled by its number alone", () => {
  const path = "apps//shop/we%20b";
  assert.deepEqual(requestFor("scale", app(), 5, false), { method: "PUT", path, to: "marathon", body: { instances: 5 } });
  assert.deepEqual(requestFor("suspend", app(), 5, true), { method: "PUT", path: `${path}?force=true`, to: "marathon", body: { instances: 0 } });
  assert.deepEqual(requestFor("resume", app(), 5, false).body, { instances: 1 });
  assert.equal(requestFor("restart", app(), 0, true).path, `${path}/restart?force=true`);
  assert.deepEqual(requestFor("remove", app(), 0, false), { method: "DELETE", path, to: "marathon" });
});

test("of a pod the whole is sent back", () => {
  const asked = requestFor("scale", pod, 3, false);
  assert.deepEqual(asked, { method: "PUT", path: "pods//p", to: "marathon", body: { ...pod.spec, scaling: { kind: "fixed", instances: 3 } } });
});

test("a framework is uninstalled by who installed it", () => {
  const labels = { DCOS_PACKAGE_FRAMEWORK_NAME: "kafka", DCOS_PACKAGE_NAME: "kafka" };
  const asked = requestFor("remove", app({ id: "/kafka", labels }), 0, false);
  assert.deepEqual(asked, { method: "POST", path: "package/uninstall", to: "cosmos", body: { packageName: "kafka", appId: "/kafka" } });
});

test("force is offered where the server speaks of it", () => {
  assert.ok(mayForce("App is locked by one or more deployments. Override with the option '?force=true'."));
  assert.ok(!mayForce("Object is not valid"));
  assert.equal(proofOf(app()), "we b");
});
