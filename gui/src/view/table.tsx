/** A table of any length: sorted by a click on a column's head, drawn only where it is in sight. */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { inSight, ordered, type Cell, type Order } from "../core/rows";
import { useText } from "./settings";

export interface Column<T> {
  key: string;
  head: string;
  /** By which it is sorted. */
  value: (row: T) => Cell;
  cell: (row: T) => ComponentChildren;
  /** Share of the width, as CSS grid has it. */
  width: string;
  numeric?: boolean;
  /** Left out where the screen is narrow. */
  wide?: boolean;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  id: (row: T) => string;
  first?: Order;
}

const ROW_PX = 44;
const NARROW_PX = 720;

export function Table<T>({ label, rows, columns, id, first }: Props<T>) {
  const t = useText();
  const [order, sort] = useState<Order | undefined>(first);
  const box = useRef<HTMLDivElement>(null);
  const [view, look] = useState({ top: 0, height: 600, width: 1200 });

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const seen = () => look({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    seen();
    const observer = new ResizeObserver(seen);
    observer.observe(element);
    element.addEventListener("scroll", seen, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", seen);
    };
  }, []);

  const shown = columns.filter((one) => !one.wide || view.width >= NARROW_PX);
  const by = columns.find((one) => one.key === order?.column);
  const sorted = useMemo(() => (by ? ordered(rows, by.value, order?.down ?? false) : rows), [rows, by?.key, order]);
  const { first: from, end } = inSight(sorted.length, ROW_PX, view.top, view.height);
  const grid = { gridTemplateColumns: shown.map((one) => one.width).join(" ") };

  return (
    <div class="table" role="table" aria-label={label} aria-rowcount={sorted.length + 1}>
      <div class="row head" role="row" style={grid}>
        {shown.map((one) => (
          <div role="columnheader" aria-sort={sortOf(one.key, order)} class={one.numeric ? "number" : ""}>
            <button type="button" onClick={() => sort(turned(one.key, order))}>
              {one.head}
              {order?.column === one.key && <span aria-hidden="true">{order.down ? " ↓" : " ↑"}</span>}
            </button>
          </div>
        ))}
      </div>
      <div class="body" ref={box} tabIndex={0} role="rowgroup" aria-label={label}>
        <div class="all" style={{ height: `${sorted.length * ROW_PX}px` }}>
          {sorted.slice(from, end).map((row, index) => (
            <div
              key={id(row)}
              class="row"
              role="row"
              aria-rowindex={from + index + 2}
              style={{ ...grid, top: `${(from + index) * ROW_PX}px` }}
            >
              {shown.map((one) => (
                <div role="cell" class={one.numeric ? "number" : ""}>
                  {one.cell(row)}
                </div>
              ))}
            </div>
          ))}
        </div>
        {sorted.length === 0 && <p class="quiet empty">{t("noRows")}</p>}
      </div>
    </div>
  );
}

function turned(key: string, order: Order | undefined): Order {
  return { column: key, down: order?.column === key && !order.down };
}

function sortOf(key: string, order: Order | undefined): "ascending" | "descending" | "none" {
  if (order?.column !== key) return "none";
  return order.down ? "descending" : "ascending";
}
