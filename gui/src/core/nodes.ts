/** Agents as rows, and the cluster's allocation, made of the master's summary. Pure. */
import type { Agent, AgentState, AgentTask, Resources, Summary, TaskCounts } from "../api/types";
import { NOTHING, plus } from "./services";

export type NodeState = "active" | "draining" | "drained" | "deactivated" | "inactive";

export interface NodeRow {
  id: string;
  host: string;
  ip: string;
  state: NodeState;
  isPublic: boolean;
  region: string;
  zone: string;
  tasks: number;
  total: Resources;
  used: Resources;
  version: string;
  /** Milliseconds since 1970. */
  since: number;
  attributes: [string, string][];
}

export function nodeState(agent: Agent): NodeState {
  if (agent.drain_info?.state === "DRAINING") return "draining";
  if (agent.drain_info?.state === "DRAINED") return "drained";
  if (agent.deactivated) return "deactivated";
  return agent.active ? "active" : "inactive";
}

export function nodeRows(summary: Summary): NodeRow[] {
  return summary.slaves.map((agent) => ({
    id: agent.id,
    host: agent.hostname,
    ip: ipOf(agent.pid),
    state: nodeState(agent),
    isPublic: String(agent.attributes["public_ip"] ?? "") === "true",
    region: agent.domain?.fault_domain?.region?.name ?? "",
    zone: agent.domain?.fault_domain?.zone?.name ?? "",
    tasks: live(agent),
    total: agent.resources,
    used: agent.used_resources,
    version: agent.version,
    since: agent.registered_time * 1000,
    attributes: Object.entries(agent.attributes).map(([name, value]) => [name, String(value)]),
  }));
}

/** `slave(1)@192.0.2.7:5051` -> `192.0.2.7`; IPv6 addresses stand in brackets there. */
export function ipOf(pid: string): string {
  const address = pid.slice(pid.indexOf("@") + 1);
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

const live = (counts: TaskCounts): number =>
  (counts.TASK_STAGING ?? 0) + (counts.TASK_STARTING ?? 0) + (counts.TASK_RUNNING ?? 0) + (counts.TASK_KILLING ?? 0);

export interface Tasks {
  starting: number;
  running: number;
  ending: number;
  unreachable: number;
  failed: number;
}

export interface Allocation {
  total: Resources;
  used: Resources;
  agents: number;
  tasks: Tasks;
}

export function allocation(summary: Summary): Allocation {
  const tasks: Tasks = { starting: 0, running: 0, ending: 0, unreachable: 0, failed: 0 };
  for (const one of summary.frameworks) {
    tasks.starting += (one.TASK_STAGING ?? 0) + (one.TASK_STARTING ?? 0);
    tasks.running += one.TASK_RUNNING ?? 0;
    tasks.ending += one.TASK_KILLING ?? 0;
    tasks.unreachable += one.TASK_UNREACHABLE ?? 0;
    tasks.failed += (one.TASK_FAILED ?? 0) + (one.TASK_LOST ?? 0) + (one.TASK_ERROR ?? 0);
  }
  return {
    total: summary.slaves.reduce<Resources>((sum, one) => plus(sum, one.resources), NOTHING),
    used: summary.slaves.reduce<Resources>((sum, one) => plus(sum, one.used_resources), NOTHING),
    agents: summary.slaves.filter((one) => one.active).length,
    tasks,
  };
}

export const SAMPLES = 60;

/** The last samples, the newest at the end. */
export function remembered<T>(past: readonly T[], now: T, most = SAMPLES): T[] {
  return [...past, now].slice(-most);
}

export interface NodeTask extends AgentTask {
  framework: string;
}

/** The tasks that are on an agent now. */
export function tasksOn(state: AgentState): NodeTask[] {
  return state.frameworks.flatMap((framework) =>
    framework.executors.flatMap((executor) =>
      [...(executor.queued_tasks ?? []), ...executor.tasks].map((task) => ({ ...task, framework: framework.name })),
    ),
  );
}

/** Points of a line over 0..1 (x) and 0..1 (y, upwards) for an SVG of `width` by `height`. */
export function points(shares: readonly number[], width: number, height: number, most = SAMPLES): string {
  const step = width / (most - 1);
  const start = width - step * (shares.length - 1);
  return shares
    .map((share, index) => `${(start + index * step).toFixed(1)},${(height * (1 - share)).toFixed(1)}`)
    .join(" ");
}
