import assert from "node:assert/strict";
import { test } from "node:test";
import { callFor, nodeActionsOf } from "../src/core/node_actions";

test("an agent that works may be drained, one that does not may come back", () => {
  assert.deepEqual(nodeActionsOf("active"), ["drain", "deactivate"]);
  for (const state of ["draining", "drained", "deactivated"] as const) assert.deepEqual(nodeActionsOf(state), ["reactivate"]);
  assert.deepEqual(nodeActionsOf("inactive"), []);
});

test("calls of the operator API", () => {
  const agent_id = { value: "S1" };
  const drain = { type: "DRAIN_AGENT", drain_agent: { agent_id, max_grace_period: { seconds: 60 } } };
  assert.deepEqual(callFor("drain", "S1", 60), drain);
  assert.deepEqual(callFor("deactivate", "S1", 0), { type: "DEACTIVATE_AGENT", deactivate_agent: { agent_id } });
  assert.deepEqual(callFor("reactivate", "S1", 0), { type: "REACTIVATE_AGENT", reactivate_agent: { agent_id } });
});
