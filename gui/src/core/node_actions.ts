/** What may be done to an agent, by how it is. Pure. */
import type { NodeState } from "./nodes";

export const NODE_ACTIONS = ["drain", "deactivate", "reactivate"] as const;
export type NodeAction = (typeof NODE_ACTIONS)[number];

export function nodeActionsOf(state: NodeState): NodeAction[] {
  switch (state) {
    case "active":
      return ["drain", "deactivate"];
    case "draining":
    case "drained":
    case "deactivated":
      return ["reactivate"];
    case "inactive":
      return [];
  }
}

/** The call of Mesos's operator API. `graceSeconds` counts for `drain` alone: how long tasks may take to end. */
export function callFor(action: NodeAction, agent: string, graceSeconds: number): Record<string, unknown> {
  const agent_id = { value: agent };
  switch (action) {
    case "drain":
      return { type: "DRAIN_AGENT", drain_agent: { agent_id, max_grace_period: { seconds: graceSeconds } } };
    case "deactivate":
      return { type: "DEACTIVATE_AGENT", deactivate_agent: { agent_id } };
    case "reactivate":
      return { type: "REACTIVATE_AGENT", reactivate_agent: { agent_id } };
  }
}
