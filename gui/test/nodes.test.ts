import assert from "node:assert/strict";
import { test } from "node:test";
import type { Agent, Summary } from "../src/api/types";
import { allocation, ipOf, nodeRows, nodeState, points, remembered, tasksOn } from "../src/core/nodes";

const none = { cpus: 0, mem: 0, disk: 0, gpus: 0 };
const agent = (more: Partial<Agent> = {}): Agent => ({
  id: "S0", hostname: "one", pid: "slave(1)@192.0.2.7:5051", version: "1.11.0", active: true, deactivated: false,
  registered_time: 10, attributes: {}, resources: { cpus: 4, mem: 100, disk: 10, gpus: 1 },
  used_resources: { cpus: 1, mem: 50, disk: 0, gpus: 0 }, ...more,
}); // prettier-ignore

test("the state of an agent", () => {
  assert.equal(nodeState(agent()), "active");
  assert.equal(nodeState(agent({ active: false })), "inactive");
  assert.equal(nodeState(agent({ deactivated: true })), "deactivated");
  assert.equal(nodeState(agent({ deactivated: true, drain_info: { state: "DRAINING" } })), "draining");
  assert.equal(nodeState(agent({ deactivated: true, drain_info: { state: "DRAINED" } })), "drained");
});

test("addresses of agents, of IPv6 without brackets", () => {
  assert.equal(ipOf("slave(1)@192.0.2.7:5051"), "192.0.2.7");
  assert.equal(ipOf("slave(1)@[2001:db8::1]:5051"), "2001:db8::1");
});

test("what is allocated is the sum over agents, what runs the sum over frameworks", () => {
  const summary: Summary = {
    slaves: [agent({ TASK_RUNNING: 2, TASK_STAGING: 1, TASK_FAILED: 9 }), agent({ id: "S1", active: false, attributes: { public_ip: "true" } })],
    frameworks: [
      { id: "f", name: "marathon", active: true, TASK_RUNNING: 3, TASK_LOST: 1, TASK_FAILED: 1, TASK_ERROR: 1 },
      { id: "g", name: "other", active: true, TASK_STARTING: 1, TASK_STAGING: 1, TASK_UNREACHABLE: 4, TASK_KILLING: 2 },
    ],
  };
  const now = allocation(summary);
  assert.deepEqual(now.total, { cpus: 8, mem: 200, disk: 20, gpus: 2 });
  assert.deepEqual(now.used, { cpus: 2, mem: 100, disk: 0, gpus: 0 });
  assert.deepEqual(now.tasks, { starting: 2, running: 3, ending: 2, unreachable: 4, failed: 3 });
  assert.equal(now.agents, 1);
  const rows = nodeRows(summary);
  assert.deepEqual(rows.map((row) => [row.tasks, row.isPublic]), [[3, false], [0, true]]); // prettier-ignore
  assert.deepEqual(allocation({ slaves: [], frameworks: [] }).total, none);
});

test("the newest samples are kept", () => {
  assert.deepEqual(remembered([1, 2, 3], 4, 3), [2, 3, 4]);
  assert.deepEqual(remembered([], 1), [1]);
});

test("a line ends at the right, its top is everything", () => {
  assert.equal(points([0, 0.5, 1], 100, 10, 3), "0.0,10.0 50.0,5.0 100.0,0.0");
  assert.equal(points([1], 100, 10, 3), "100.0,0.0");
});

test("tasks of an agent, also those that wait for their executor", () => {
  const task = (id: string) => ({ id, name: id, state: "TASK_RUNNING", resources: {} });
  const executors = [{ id: "e", tasks: [task("a")], queued_tasks: [task("b")] }];
  const found = tasksOn({ frameworks: [{ id: "f", name: "marathon", executors }] });
  assert.deepEqual(found.map((one) => [one.id, one.framework]), [["b", "marathon"], ["a", "marathon"]]); // prettier-ignore
});
