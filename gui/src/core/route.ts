/** Addresses of pages: `#/services/detail/%2Fshop%2Fweb`. Pure. */

export type Route =
  | { page: "login"; redirect: string }
  | { page: "dashboard" }
  | { page: "services"; group: string }
  | { page: "service"; id: string }
  | { page: "nodes" }
  | { page: "node"; id: string }
  | { page: "unknown"; path: string };

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter((part) => part !== "").map(decoded);
  const [first, second, third] = parts;
  switch (first) {
    case undefined:
    case "dashboard":
      return { page: "dashboard" };
    case "login": {
      const asked = new URLSearchParams(query);
      return { page: "login", redirect: asked.get("redirect") ?? asked.get("relativePath") ?? "" };
    }
    case "services":
      // upstream's own addresses: overview and overview/<group>, detail/<id>
      if (second === "detail" && third !== undefined) return { page: "service", id: third };
      if (second === undefined || second === "overview") return { page: "services", group: third ?? "/" };
      break;
    case "nodes":
      return second === undefined ? { page: "nodes" } : { page: "node", id: second };
  }
  return { page: "unknown", path };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const enc = encodeURIComponent;

export const to = {
  dashboard: "#/dashboard",
  services: "#/services/overview",
  nodes: "#/nodes",
  group: (id: string) => (id === "/" ? "#/services/overview" : `#/services/overview/${enc(id)}`),
  service: (id: string) => `#/services/detail/${enc(id)}`,
  node: (id: string) => `#/nodes/${enc(id)}`,
  login: (back: string) => `#/login?redirect=${enc(back)}`,
};

/** Where to go after logging in: only this very host, by its path. Else the dashboard. */
export function afterLogin(redirect: string, origin: string): string {
  if (redirect === "") return `/${to.dashboard}`;
  try {
    const target = new URL(redirect, origin);
    if (target.origin !== origin || target.hash.startsWith("#/login")) return `/${to.dashboard}`;
    return target.pathname + target.search + target.hash;
  } catch {
    return `/${to.dashboard}`;
  }
}
