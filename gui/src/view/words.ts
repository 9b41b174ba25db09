/** How states look. */
import type { NodeState } from "../core/nodes";
import type { ServiceRow, State, TaskHealth } from "../core/services";
import type { Tone } from "./parts";

export const SERVICE_TONE: Record<State, Tone> = {
  deleting: "busy",
  delayed: "bad",
  waiting: "busy",
  deploying: "busy",
  recovering: "busy",
  stopped: "quiet",
  running: "good",
  none: "quiet",
};

export const NODE_TONE: Record<NodeState, Tone> = {
  active: "good",
  draining: "busy",
  drained: "quiet",
  deactivated: "quiet",
  inactive: "bad",
};

export const HEALTH_TONE: Record<TaskHealth, Tone> = { healthy: "good", unhealthy: "bad", none: "quiet" };

export function healthOf(row: ServiceRow): TaskHealth {
  if (row.health.unhealthy > 0) return "unhealthy";
  return row.health.healthy > 0 ? "healthy" : "none";
}
