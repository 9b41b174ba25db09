/** One agent: what it has, what runs on it, how its components are. */
import { useMemo } from "preact/hooks";
import * as api from "../api/clients";
import type { Unit } from "../api/types";
import { age, cpus, rounded, size } from "../core/format";
import { nodeRows, tasksOn, type NodeRow, type NodeTask } from "../core/nodes";
import { to } from "../core/route";
import * as sources from "../sources";
import { Source, useSource } from "../store";
import { NodeActions } from "./node_actions";
import { Badge, Crumbs, Fact, Meter, Shown } from "./parts";
import { useText } from "./settings";
import { Table, type Column } from "./table";
import { NODE_TONE } from "./words";

export function Node({ id }: { id: string }) {
  const t = useText();
  const told = useSource(sources.summary);
  return (
    <Shown told={told}>
      {(value) => {
        const row = nodeRows(value).find((one) => one.id === id);
        return (
          <>
            <Crumbs trail={[{ name: t("nodes"), href: to.nodes }, { name: row?.host ?? id }]} />
            {row ? <Found row={row} /> : <p>{t("notThere")}</p>}
          </>
        );
      }}
    </Shown>
  );
}

function Found({ row }: { row: NodeRow }) {
  const t = useText();
  const state = useSource(useMemo(() => new Source(() => api.agentState(row.id), 5_000), [row.id]));
  const units = useSource(useMemo(() => new Source(() => api.unitsOf(row.ip), 10_000), [row.ip]));
  const share = (used: number, total: number, text: (value: number) => string) => {
    const label = `${text(used)} ${t("of")} ${text(total)}`;
    return (
      <>
        {label}
        <Meter used={used} total={total} label={label} />
      </>
    );
  };
  return (
    <>
      <h1 class="title">
        {row.host} <Badge tone={NODE_TONE[row.state]} word={row.state} />
      </h1>
      <NodeActions row={row} />
      <dl class="facts card">
        <Fact name={t("cpu")}>{share(row.used.cpus, row.total.cpus, cpus)}</Fact>
        <Fact name={t("memory")}>{share(row.used.mem, row.total.mem, size)}</Fact>
        <Fact name={t("disk")}>{share(row.used.disk, row.total.disk, size)}</Fact>
        <Fact name={t("gpu")}>{share(row.used.gpus, row.total.gpus, rounded)}</Fact>
        <Fact name={t("agent")}>{row.id}</Fact>
        <Fact name={t("address")}>{row.ip}</Fact>
        <Fact name={t("region")}>{row.region || t("none")}</Fact>
        <Fact name={t("zone")}>{row.zone || t("none")}</Fact>
        <Fact name={t("version")}>{row.version}</Fact>
        <Fact name={t("since")}>{age(row.since, Date.now())}</Fact>
        {row.attributes.length > 0 && (
          <Fact name={t("attributes")}>{row.attributes.map(([name, value]) => `${name}: ${value}`).join(", ")}</Fact>
        )}
      </dl>
      <h2>{t("tasks")}</h2>
      <Shown told={state}>{(value) => <Tasks tasks={tasksOn(value)} />}</Shown>
      <h2>{t("units")}</h2>
      <Shown told={units}>{(all) => <Units all={all} />}</Shown>
    </>
  );
}

function Tasks({ tasks }: { tasks: NodeTask[] }) {
  const t = useText();
  const columns: Column<NodeTask>[] = [
    { key: "name", head: t("name"), width: "minmax(8rem, 2fr)", value: (one) => one.name, cell: (one) => <span title={one.id}>{one.name}</span> },
    { key: "framework", head: t("framework"), width: "minmax(6rem, 1fr)", wide: true, value: (one) => one.framework, cell: (one) => one.framework },
    { key: "state", head: t("state"), width: "minmax(7rem, 1fr)", value: (one) => one.state, cell: (one) => one.state },
    { key: "cpus", head: t("cpu"), width: "minmax(3.5rem, .5fr)", numeric: true, value: (one) => one.resources.cpus ?? 0, cell: (one) => cpus(one.resources.cpus ?? 0) },
    { key: "mem", head: t("memory"), width: "minmax(5.5rem, .7fr)", wide: true, numeric: true, value: (one) => one.resources.mem ?? 0, cell: (one) => size(one.resources.mem ?? 0) },
  ];
  return <Table label={t("tasks")} rows={tasks} columns={columns} id={(one) => `${one.framework}/${one.id}`} />;
}

function Units({ all }: { all: Unit[] }) {
  return (
    <ul class="units card">
      {all.map((one) => (
        <li title={one.description}>
          <span class={`dot ${one.health === 0 ? "good" : "bad"}`} aria-hidden="true" /> {one.name}{" "}
          <Badge tone={one.health === 0 ? "good" : "bad"} word={one.health === 0 ? "healthy" : "unhealthy"} />
        </li>
      ))}
    </ul>
  );
}
