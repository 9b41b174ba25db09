/** One request to this very host. Errors: Refused with the server's words, Unreachable when nobody answered. */
import { wordsOf } from "../core/refusal";

const PATIENCE_MS = 20_000;

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly path: string,
    words: string,
  ) {
    super(words);
  }
}

export class Unreachable extends Error {
  constructor(readonly path: string) {
    super(path);
  }
}

async function ask(path: string, options: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...options, credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new Unreachable(path);
  }
  if (!answer.ok) {
    const text = await answer.text().catch(() => "");
    throw new Refused(answer.status, path, wordsOf(answer.status, answer.headers.get("content-type") ?? "", text));
  }
  return answer;
}

export async function get<T>(path: string): Promise<T> {
  const answer = await ask(path, { headers: { Accept: "application/json" } });
  return (await answer.json()) as T;
}

export interface Asked {
  method: "PUT" | "POST" | "DELETE";
  body?: unknown;
  /** Media types of the question and the answer, where they are not plain JSON. */
  type?: string;
  accept?: string;
}

export async function send(path: string, { method, body, type, accept }: Asked): Promise<void> {
  const headers: Record<string, string> = { Accept: accept ?? "application/json" };
  if (body === undefined) {
    await ask(path, { method, headers });
  } else {
    headers["Content-Type"] = type ?? "application/json";
    await ask(path, { method, headers, body: JSON.stringify(body) });
  }
}
