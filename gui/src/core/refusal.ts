/** What a server said when it refused, as words for a person. Pure. */

/** The words in an answer that is no success: the services' own, else the plain text, else the status. */
export function wordsOf(status: number, contentType: string, body: string): string {
  if (contentType.includes("json")) {
    const found = fromJson(body);
    if (found) return found;
  } else if (contentType.startsWith("text/plain") && body.trim()) {
    return body.trim().slice(0, 2000);
  }
  return `HTTP ${status}`;
}

function fromJson(body: string): string | undefined {
  let told: unknown;
  try {
    told = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof told !== "object" || told === null) return undefined;
  const { description, message, details } = told as Record<string, unknown>;
  const first = [description, message].find((one) => typeof one === "string" && one !== "");
  if (typeof first !== "string") return undefined;
  return [first, ...detailsOf(details)].join("\n");
}

/** Marathon's `details`: which field breaks which rule. */
function detailsOf(details: unknown): string[] {
  if (!Array.isArray(details)) return [];
  return details.flatMap((one: { path?: unknown; errors?: unknown }) =>
    Array.isArray(one?.errors) ? [`${String(one.path ?? "")}: ${one.errors.map(String).join(", ")}`] : [],
  );
}
