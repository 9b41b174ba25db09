/** The things that several pages look at, asked for once however many look. */
import * as api from "./api/clients";
import type { Deployment, Group, Queue, Summary, Unit } from "./api/types";
import { allocation, remembered, type Allocation } from "./core/nodes";
import { Source } from "./store";

let past: Allocation[] = [];

/** The last samples of the cluster's allocation, the newest at the end. */
export const history = (): readonly Allocation[] => past;

export const summary = new Source<Summary>(api.summary, 2_000, (told) => {
  past = remembered(past, allocation(told));
});
export const groups = new Source<Group>(api.groups, 5_000);
export const queue = new Source<Queue>(api.queue, 5_000);
export const deployments = new Source<Deployment[]>(api.deployments, 5_000);
export const units = new Source<Unit[]>(api.units, 10_000);

/** Those that Marathon's events bring forward. */
export const ofMarathon = [groups, queue, deployments];

/** Nothing that one user saw is left for the next. */
export function forgetAll(): void {
  past = [];
  for (const one of [summary, groups, queue, deployments, units]) one.forget();
}
