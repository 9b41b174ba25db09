/** The services' APIs, typed. Paths stand here and nowhere else. */
import type { AgentState, App, Deployment, Group, PodInstance, Providers, Queue, Summary, Unit, Wait } from "./types";
import type { Request } from "../core/actions";
import { get, send } from "./http";

const MARATHON = "/service/marathon/v2";
const HEALTH = "/system/health/v1";
const ACS = "/acs/api/v1";
const EMBED = ["groups", "apps", "pods", "apps.deployments", "apps.counts", "apps.tasks", "apps.lastTaskFailure"]
  .map((part) => `embed=group.${part}`)
  .join("&");

export const EVENTS = `${MARATHON}/events`;

export const providers = () => get<Providers>(`${ACS}/auth/providers`);
export const login = (uid: string, password: string) => send(`${ACS}/auth/login`, { method: "POST", body: { uid, password } });
export const logout = () => fetch(`${ACS}/auth/logout`, { credentials: "same-origin" });

export const version = () => get<{ version: string }>("/dcos-metadata/dcos-version.json");
export const summary = () => get<Summary>("/mesos/master/state-summary");
export const groups = () => get<Group>(`${MARATHON}/groups?${EMBED}`);
export const queue = () => get<Queue>(`${MARATHON}/queue`);
export const deployments = () => get<Deployment[]>(`${MARATHON}/deployments?embed=waits`);

export interface AppDetail extends App {
  waits?: Wait[];
}

export interface PodDetail {
  id: string;
  status: string;
  instances?: PodInstance[];
  waits?: Wait[];
}

export const app = async (id: string): Promise<AppDetail> =>
  (await get<{ app: AppDetail }>(`${MARATHON}/apps/${path(id)}?embed=waits&embed=app.lastTaskFailure`)).app;
export const pod = (id: string) => get<PodDetail>(`${MARATHON}/pods/${path(id)}::status?embed=waits`);

const COSMOS = (kind: string) => `application/vnd.dcos.${kind}+json;charset=utf-8;version=v1`;

/** Errors: Refused, of apps that a deployment holds with words that speak of force=true. */
export function change({ method, path, to, body }: Request): Promise<void> {
  if (to === "marathon") return send(`${MARATHON}/${path}`, { method, body });
  const type = COSMOS("package.uninstall-request");
  return send(`/${path}`, { method, body, type, accept: COSMOS("package.uninstall-response") });
}

/** A call of the master's operator API that answers nothing. Errors: Refused. */
export const callMaster = (body: unknown) => send("/mesos/api/v1", { method: "POST", body });

export const rollBack = (id: string) => send(`${MARATHON}/deployments/${encodeURIComponent(id)}`, { method: "DELETE" });

export const units = async (): Promise<Unit[]> => (await get<{ units: Unit[] }>(`${HEALTH}/units`)).units;
export const unitsOf = async (ip: string): Promise<Unit[]> =>
  (await get<{ units: Unit[] }>(`${HEALTH}/nodes/${encodeURIComponent(ip)}/units`)).units;
export const agentState = (id: string) => get<AgentState>(`/agent/${encodeURIComponent(id)}/state`);

/** `/a/b` as it stands in a URL, its leading slash kept. */
function path(id: string): string {
  return id.split("/").map(encodeURIComponent).join("/");
}
