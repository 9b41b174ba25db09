/** Quantities as text. Pure. Memory and disk come in MiB. */

const STEPS = ["MiB", "GiB", "TiB", "PiB"];

export function size(mebibytes: number): string {
  let value = mebibytes;
  let step = 0;
  while (value >= 1024 && step < STEPS.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${rounded(value)} ${STEPS[step]}`;
}

/** At most one decimal below 100, none above. */
export function rounded(value: number): string {
  const factor = Math.abs(value) < 100 ? 10 : 1;
  return String(Math.round(value * factor) / factor);
}

/** Three decimals are what Mesos keeps of cpus. */
export function cpus(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}

export function percent(used: number, total: number): number {
  return total <= 0 ? 0 : Math.min(100, Math.max(0, (used / total) * 100));
}

/** How long ago, in the largest unit that is not zero: `42 s`, `3 min`, `5 h`, `2 d`. */
export function age(from: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - from) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}
