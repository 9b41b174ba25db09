/**
 * Services as rows, made of Marathon's groups and queue. Pure.
 *
 * The states are upstream's (first that fits); a group's is the one of its members that most wants a look.
 */
import type { App, AppTask, Group, Pod, Queue, Resources } from "../api/types";

export const STATES = ["deleting", "delayed", "waiting", "deploying", "recovering", "stopped", "running", "none"] as const;
export type State = (typeof STATES)[number];

export interface Health {
  healthy: number;
  unhealthy: number;
}

export interface ServiceRow {
  kind: "app" | "pod" | "group";
  id: string;
  /** Last part of the id. */
  name: string;
  state: State;
  running: number;
  wanted: number;
  health: Health;
  /** Of all wanted instances together. */
  resources: Resources;
  image: string;
  version: string;
}

interface Queued {
  /** The launch delay holds. */
  delayed: boolean;
}

export type Waiting = ReadonlyMap<string, Queued>;

export function waitingOf(queue: Queue | undefined): Waiting {
  const found = new Map<string, Queued>();
  for (const one of queue?.queue ?? []) {
    const id = one.app?.id ?? one.pod?.id;
    if (id !== undefined) found.set(id, { delayed: one.delay?.overdue === false });
  }
  return found;
}

export function appState(app: App, queued: Queued | undefined): State {
  const deploying = (app.deployments ?? []).length > 0;
  if (app.env && "SDK_UNINSTALL" in app.env) return "deleting";
  if (app.instances === 0 && (app.tasksRunning ?? 0) === 0 && !deploying) return "stopped";
  if (queued?.delayed) return "delayed";
  if (queued && !deploying) return "recovering";
  if (queued) return "waiting";
  if (deploying) return "deploying";
  return (app.tasksRunning ?? 0) > 0 ? "running" : "none";
}

const ENDED = new Set(["TERMINAL", "FINISHED", "FAILED", "KILLED"]);

export function podState(pod: Pod, queued: Queued | undefined): State {
  const wanted = wantedOf(pod);
  const there = (pod.instances ?? []).filter((one) => !ENDED.has(one.status.toUpperCase()));
  if (there.length === 0 && wanted === 0) return "stopped";
  if (queued?.delayed) return "delayed";
  if (queued) return "waiting";
  if (there.length !== wanted) return "deploying";
  return runningOf(pod) > 0 ? "running" : "none";
}

const wantedOf = (pod: Pod): number => pod.spec.scaling?.instances ?? 1;
const runningOf = (pod: Pod): number =>
  (pod.instances ?? []).filter((one) => ["STABLE", "DEGRADED"].includes(one.status.toUpperCase())).length;

function appRow(app: App, waiting: Waiting): ServiceRow {
  return {
    kind: "app",
    id: app.id,
    name: nameOf(app.id),
    state: appState(app, waiting.get(app.id)),
    running: app.tasksRunning ?? 0,
    wanted: app.instances,
    health: { healthy: app.tasksHealthy ?? 0, unhealthy: app.tasksUnhealthy ?? 0 },
    resources: times(app, app.instances),
    image: app.container?.docker?.image ?? "",
    version: app.labels?.["DCOS_PACKAGE_VERSION"] ?? "",
  };
}

function podRow(pod: Pod, waiting: Waiting): ServiceRow {
  const parts = [...pod.spec.containers.map((one) => one.resources ?? {}), pod.spec.executorResources ?? {}];
  const degraded = (pod.instances ?? []).filter((one) => one.status.toUpperCase() === "DEGRADED").length;
  return {
    kind: "pod",
    id: pod.id,
    name: nameOf(pod.id),
    state: podState(pod, waiting.get(pod.id)),
    running: runningOf(pod),
    wanted: wantedOf(pod),
    health: { healthy: 0, unhealthy: degraded },
    resources: times(parts.reduce<Resources>((sum, one) => plus(sum, one), NOTHING), wantedOf(pod)),
    image: "",
    version: "",
  };
}

function groupRow(group: Group, waiting: Waiting): ServiceRow {
  const inside = everything(group, waiting);
  return {
    kind: "group",
    id: group.id,
    name: nameOf(group.id),
    state: STATES.find((state) => inside.some((one) => one.state === state)) ?? "none",
    running: inside.reduce((sum, one) => sum + one.running, 0),
    wanted: inside.reduce((sum, one) => sum + one.wanted, 0),
    health: {
      healthy: inside.reduce((sum, one) => sum + one.health.healthy, 0),
      unhealthy: inside.reduce((sum, one) => sum + one.health.unhealthy, 0),
    },
    resources: inside.reduce<Resources>((sum, one) => plus(sum, one.resources), NOTHING),
    image: "",
    version: "",
  };
}

/** What stands directly in a group: groups first. */
export function rowsOf(group: Group, waiting: Waiting): ServiceRow[] {
  return [...group.groups.map((one) => groupRow(one, waiting)), ...own(group, waiting)];
}

/** Every app and pod in a group and below it. */
export function everything(group: Group, waiting: Waiting): ServiceRow[] {
  return [...own(group, waiting), ...group.groups.flatMap((one) => everything(one, waiting))];
}

function own(group: Group, waiting: Waiting): ServiceRow[] {
  return [...group.apps.map((one) => appRow(one, waiting)), ...(group.pods ?? []).map((one) => podRow(one, waiting))];
}

export function findGroup(root: Group, id: string): Group | undefined {
  if (root.id === id) return root;
  const next = root.groups.find((one) => id === one.id || id.startsWith(`${one.id}/`));
  return next && findGroup(next, id);
}

export function findService(root: Group, id: string): App | Pod | undefined {
  const group = findGroup(root, id.slice(0, id.lastIndexOf("/")) || "/");
  return group?.apps.find((one) => one.id === id) ?? group?.pods?.find((one) => one.id === id);
}

export const isPod = (service: App | Pod): service is Pod => "spec" in service;

/** What the search box leaves: every word must stand in the id, the image or be `is:STATE`, `is:unhealthy`, `is:pod`. */
export function matching(rows: ServiceRow[], asked: string): ServiceRow[] {
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => words.every((word) => fits(row, word)));
}

function fits(row: ServiceRow, word: string): boolean {
  if (!word.startsWith("is:")) return row.id.toLowerCase().includes(word) || row.image.toLowerCase().includes(word);
  const state = word.slice(3);
  if (state === "unhealthy") return row.health.unhealthy > 0;
  if (state === "healthy") return row.health.healthy > 0 && row.health.unhealthy === 0;
  return state === row.state || state === row.kind;
}

export const NOTHING: Resources = { cpus: 0, mem: 0, disk: 0, gpus: 0 };

export function plus(a: Resources, b: Partial<Resources>): Resources {
  return {
    cpus: a.cpus + (b.cpus ?? 0),
    mem: a.mem + (b.mem ?? 0),
    disk: a.disk + (b.disk ?? 0),
    gpus: a.gpus + (b.gpus ?? 0),
  };
}

function times(one: Partial<Resources>, count: number): Resources {
  return {
    cpus: (one.cpus ?? 0) * count,
    mem: (one.mem ?? 0) * count,
    disk: (one.disk ?? 0) * count,
    gpus: (one.gpus ?? 0) * count,
  };
}

export function nameOf(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1) || "/";
}

/** The groups above an id, the root first. */
export function above(id: string): string[] {
  const parts = id.split("/").filter(Boolean).slice(0, -1);
  return ["/", ...parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)];
}

export type TaskHealth = "healthy" | "unhealthy" | "none";

export function taskHealth(task: AppTask): TaskHealth {
  const results = task.healthCheckResults ?? [];
  if (results.length === 0) return "none";
  return results.every((one) => one.alive) ? "healthy" : "unhealthy";
}
