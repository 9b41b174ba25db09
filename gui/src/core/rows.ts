/** Which rows of a long table are drawn: those in sight and a few around. Pure. Heights in pixels. */

export interface Span {
  first: number;
  /** One after the last. */
  end: number;
}

const AROUND = 8;

export function inSight(count: number, rowHeight: number, scrolled: number, height: number): Span {
  const top = Math.min(Math.max(0, scrolled), Math.max(0, count * rowHeight - height));
  const first = Math.max(0, Math.floor(top / rowHeight) - AROUND);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + AROUND);
  return { first, end };
}

export type Cell = string | number;

export interface Order {
  column: string;
  down: boolean;
}

/** A copy in the order of one column; equals stay as they were. */
export function ordered<T>(rows: readonly T[], value: (row: T) => Cell, down: boolean): T[] {
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (typeof x === "number" && typeof y === "number") return sign * (x - y);
    return sign * String(x).localeCompare(String(y), undefined, { numeric: true });
  });
}
