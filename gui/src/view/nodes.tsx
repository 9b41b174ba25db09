/** All agents, live. */
import { useMemo, useState } from "preact/hooks";
import { cpus, size } from "../core/format";
import { nodeRows, type NodeRow } from "../core/nodes";
import { to } from "../core/route";
import * as sources from "../sources";
import { useSource } from "../store";
import { Badge, Meter, Shown } from "./parts";
import { useText } from "./settings";
import { Table, type Column } from "./table";
import { NODE_TONE } from "./words";

export function Nodes() {
  const t = useText();
  const told = useSource(sources.summary);
  const [asked, ask] = useState("");
  return (
    <>
      <h1>{t("nodes")}</h1>
      <input
        type="search"
        class="filter"
        aria-label={t("filterNodes")}
        placeholder={t("filterNodes")}
        value={asked}
        onInput={(event) => ask(event.currentTarget.value)}
      />
      <Shown told={told}>{(value) => <Listed all={nodeRows(value)} asked={asked} />}</Shown>
    </>
  );
}

function Listed({ all, asked }: { all: NodeRow[]; asked: string }) {
  const t = useText();
  const word = asked.trim().toLowerCase();
  const rows = useMemo(() => all.filter((row) => searched(row).includes(word)), [all, word]);
  const used = (row: NodeRow, of: "cpus" | "mem" | "disk", text: (value: number) => string) => (
    <span class="share">
      <Meter used={row.used[of]} total={row.total[of]} label={`${text(row.used[of])} ${t("of")} ${text(row.total[of])}`} />
      {text(row.used[of])}
    </span>
  );
  const columns: Column<NodeRow>[] = [
    {
      key: "host",
      head: t("host"),
      width: "minmax(8rem, 2fr)",
      value: (row) => row.host,
      cell: (row) => (
        <a class="to" href={to.node(row.id)}>
          {row.host}
          {row.isPublic && <span class="quiet"> {t("publicNode")}</span>}
        </a>
      ),
    },
    { key: "state", head: t("state"), width: "minmax(7rem, 1fr)", value: (row) => row.state, cell: (row) => <Badge tone={NODE_TONE[row.state]} word={row.state} /> },
    { key: "zone", head: t("zone"), width: "minmax(5rem, 1fr)", wide: true, value: (row) => row.zone, cell: (row) => row.zone || t("none") },
    { key: "tasks", head: t("tasks"), width: "minmax(3.5rem, .6fr)", numeric: true, value: (row) => row.tasks, cell: (row) => row.tasks },
    { key: "cpus", head: t("cpu"), width: "minmax(6rem, 1fr)", wide: true, value: (row) => row.used.cpus, cell: (row) => used(row, "cpus", cpus) },
    { key: "mem", head: t("memory"), width: "minmax(8rem, 1.2fr)", wide: true, value: (row) => row.used.mem, cell: (row) => used(row, "mem", size) },
    { key: "disk", head: t("disk"), width: "minmax(8rem, 1.2fr)", wide: true, value: (row) => row.used.disk, cell: (row) => used(row, "disk", size) },
  ];
  return <Table label={t("nodes")} rows={rows} columns={columns} id={(row) => row.id} first={{ column: "host", down: false }} />;
}

function searched(row: NodeRow): string {
  return [row.host, row.ip, row.region, row.zone, ...row.attributes.map(([name, value]) => `${name}:${value}`)]
    .join(" ")
    .toLowerCase();
}
