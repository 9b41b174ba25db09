/** What may be done to a service, by what it is. Pure. The rules are upstream's. */
import type { App, Pod } from "../api/types";
import { isPod, nameOf } from "./services";

export const ACTIONS = ["scale", "restart", "suspend", "resume", "remove"] as const;
export type Action = (typeof ACTIONS)[number];

export function actionsOf(service: App | Pod): Action[] {
  const labels = (isPod(service) ? service.spec.labels : service.labels) ?? {};
  const wanted = instancesOf(service);
  // services of the SDK are changed through their own plans
  const sdk = "DCOS_COMMONS_API_VERSION" in labels;
  const may: Record<Action, boolean> = {
    scale: !sdk && !("MARATHON_SINGLE_INSTANCE_APP" in labels),
    restart: !sdk && !isPod(service) && wanted > 0,
    suspend: !sdk && wanted > 0,
    resume: !sdk && wanted === 0,
    remove: true,
  };
  return ACTIONS.filter((one) => may[one]);
}

export function instancesOf(service: App | Pod): number {
  return isPod(service) ? (service.spec.scaling?.instances ?? 1) : service.instances;
}

export interface Request {
  method: "PUT" | "POST" | "DELETE";
  /** Below Marathon's or Cosmos's address. */
  path: string;
  to: "marathon" | "cosmos";
  body?: unknown;
}

/** What is asked of whom. `instances` counts for `scale` alone; of a pod the whole of it is sent back. */
export function requestFor(action: Action, service: App | Pod, instances: number, force: boolean): Request {
  const pod = isPod(service);
  const at = `${pod ? "pods" : "apps"}/${service.id.split("/").map(encodeURIComponent).join("/")}`;
  const query = force ? "?force=true" : "";
  switch (action) {
    case "restart":
      return { method: "POST", path: `${at}/restart${query}`, to: "marathon", body: {} };
    case "remove": {
      const labels = pod ? {} : (service.labels ?? {});
      if ("DCOS_PACKAGE_FRAMEWORK_NAME" in labels && labels["DCOS_PACKAGE_NAME"] !== undefined) {
        const body = { packageName: labels["DCOS_PACKAGE_NAME"], appId: service.id };
        return { method: "POST", path: "package/uninstall", to: "cosmos", body };
      }
      return { method: "DELETE", path: `${at}${query}`, to: "marathon" };
    }
    default: {
      const wanted = action === "scale" ? instances : action === "suspend" ? 0 : 1;
      const body = pod
        ? { ...service.spec, scaling: { ...service.spec.scaling, kind: "fixed", instances: wanted } }
        : { instances: wanted };
      return { method: "PUT", path: `${at}${query}`, to: "marathon", body };
    }
  }
}

/** Whether the server's words say that it would do so if it were forced. */
export const mayForce = (words: string): boolean => words.includes("force=true");

/** What must be typed before a service is removed: the last part of its id. */
export const proofOf = (service: App | Pod): string => nameOf(service.id);
