/** What the pages know, and how it is kept true: sources asked again while a page shows them, sooner when an event tells. */
import { useEffect, useState } from "preact/hooks";
import { Refused } from "./api/http";
import { EVENTS } from "./api/clients";
import { to } from "./core/route";

export interface Told<T> {
  value?: T;
  /** Of the last try, when it failed: the value is an older one then. */
  trouble?: Error;
}

export const EVERY_MS = 2_000;
const MOST_MS = 30_000;

/** One thing that is asked for again and again while somebody looks. */
export class Source<T> {
  told: Told<T> = {};
  private readonly lookers = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking = false;
  private again = false;
  private failures = 0;

  constructor(
    private readonly ask: () => Promise<T>,
    private readonly everyMs = EVERY_MS,
    private readonly heard: (value: T) => void = () => undefined,
  ) {}

  look(changed: () => void): () => void {
    this.lookers.add(changed);
    if (this.lookers.size === 1) void this.refresh();
    return () => {
      this.lookers.delete(changed);
      if (this.lookers.size === 0) clearTimeout(this.timer);
    };
  }

  /** Ask now; what was told meanwhile is asked for once more after that. */
  async refresh(): Promise<void> {
    if (this.lookers.size === 0) return;
    if (this.asking) {
      this.again = true;
      return;
    }
    clearTimeout(this.timer);
    this.asking = true;
    this.again = false;
    try {
      if (!document.hidden || this.told.value === undefined) {
        const value = await this.ask();
        this.heard(value);
        this.told = { value };
      }
      this.failures = 0;
    } catch (trouble) {
      this.failures += 1;
      if (trouble instanceof Refused && trouble.status === 401) loggedOut();
      this.told = { ...this.told, trouble: trouble as Error };
    } finally {
      this.asking = false;
    }
    for (const changed of this.lookers) changed();
    const wait = this.again ? 250 : Math.min(this.everyMs * 2 ** this.failures, MOST_MS);
    if (this.lookers.size > 0) this.timer = setTimeout(() => void this.refresh(), wait);
  }

  forget(): void {
    this.told = {};
  }
}

/** To the login page, and back here afterwards. */
export function loggedOut(): void {
  if (location.hash.startsWith("#/login")) return;
  location.hash = to.login(`/${location.hash}`);
}

/** What a source tells, in a component that is drawn again when it tells more. */
export function useSource<T>(source: Source<T>): Told<T> {
  const [, draw] = useState(0);
  useEffect(() => source.look(() => draw((count) => count + 1)), [source]);
  return source.told;
}

const NEWS = [
  "api_post_event", "app_terminated_event", "app_waiting_event", "deployment_failed", "deployment_info",
  "deployment_step_failure", "deployment_step_success", "deployment_success", "group_change_failed",
  "group_change_success", "health_status_changed_event", "instance_changed_event", "instance_health_changed_event",
  "pod_created_event", "pod_deleted_event", "pod_updated_event", "status_update_event",
]; // prettier-ignore

interface Refreshed {
  refresh(): Promise<void>;
}

/** Marathon's events bring its sources' next question forward; without them the pages go on by asking. */
export function followMarathon(sources: readonly Refreshed[]): () => void {
  const events = new EventSource(EVENTS);
  const told = () => {
    for (const source of sources) void source.refresh();
  };
  for (const name of NEWS) events.addEventListener(name, told);
  const seen = () => {
    if (!document.hidden) told();
  };
  document.addEventListener("visibilitychange", seen);
  return () => {
    events.close();
    document.removeEventListener("visibilitychange", seen);
  };
}
