/** One group's services, live; the search box looks through everything below it. */
import { useMemo, useState } from "preact/hooks";
import type { Group, Queue } from "../api/types";
import { cpus, size } from "../core/format";
import { to } from "../core/route";
import { above, everything, findGroup, matching, nameOf, rowsOf, waitingOf, type ServiceRow } from "../core/services";
import * as sources from "../sources";
import { useSource } from "../store";
import { Badge, Crumbs, Meter, Shown, Trouble } from "./parts";
import { useText } from "./settings";
import { Table, type Column } from "./table";
import { HEALTH_TONE, SERVICE_TONE, healthOf } from "./words";

export function Services({ id }: { id: string }) {
  const t = useText();
  const told = useSource(sources.groups);
  const queue = useSource(sources.queue);
  const [asked, ask] = useState("");
  return (
    <>
      <h1>{t("services")}</h1>
      {id !== "/" && <Crumbs trail={trailTo(id, t("services"))} />}
      <input
        type="search"
        class="filter"
        aria-label={t("filterServices")}
        placeholder={t("filterServices")}
        value={asked}
        onInput={(event) => ask(event.currentTarget.value)}
      />
      <Trouble error={queue.trouble} />
      <Shown told={told}>{(root) => <Listed root={root} queue={queue.value} id={id} asked={asked} />}</Shown>
    </>
  );
}

export function trailTo(id: string, top: string): { name: string; href?: string }[] {
  return [...above(id).map((one) => ({ name: one === "/" ? top : nameOf(one), href: to.group(one) })), { name: nameOf(id) }];
}

interface ListedProps {
  root: Group;
  queue: Queue | undefined;
  id: string;
  asked: string;
}

function Listed({ root, queue, id, asked }: ListedProps) {
  const t = useText();
  const group = findGroup(root, id);
  const rows = useMemo(() => {
    if (!group) return [];
    const waiting = waitingOf(queue);
    return asked.trim() ? matching(everything(group, waiting), asked) : rowsOf(group, waiting);
  }, [group, queue, asked]);
  if (!group) return <p>{t("notThere")}</p>;
  const columns: Column<ServiceRow>[] = [
    {
      key: "name",
      head: t("name"),
      width: "minmax(9rem, 3fr)",
      value: (row) => row.id,
      cell: (row) => (
        <a class={`to ${row.kind}`} href={row.kind === "group" ? to.group(row.id) : to.service(row.id)} title={row.id}>
          {asked.trim() ? row.id : row.name}
        </a>
      ),
    },
    {
      key: "state",
      head: t("state"),
      width: "minmax(6.5rem, 1.2fr)",
      value: (row) => row.state,
      cell: (row) => <Badge tone={SERVICE_TONE[row.state]} word={row.state} />,
    },
    {
      key: "health",
      head: t("health"),
      width: "minmax(6.5rem, 1.2fr)",
      wide: true,
      value: healthOf,
      cell: (row) => <Badge tone={HEALTH_TONE[healthOf(row)]} word={healthOf(row)} />,
    },
    {
      key: "instances",
      head: t("instances"),
      width: "minmax(6rem, 1.2fr)",
      value: (row) => row.running,
      cell: (row) => (
        <span class="share">
          <Meter used={row.running} total={row.wanted} wanted label={`${row.running} ${t("of")} ${row.wanted}`} />
          {row.running}/{row.wanted}
        </span>
      ),
    },
    {
      key: "version",
      head: t("version"),
      width: "minmax(4rem, 1fr)",
      wide: true,
      value: (row) => row.version,
      cell: (row) => row.version,
    },
    {
      key: "cpus",
      head: t("cpu"),
      width: "minmax(4rem, .7fr)",
      wide: true,
      numeric: true,
      value: (row) => row.resources.cpus,
      cell: (row) => cpus(row.resources.cpus),
    },
    {
      key: "mem",
      head: t("memory"),
      width: "minmax(5.5rem, .9fr)",
      wide: true,
      numeric: true,
      value: (row) => row.resources.mem,
      cell: (row) => size(row.resources.mem),
    },
  ];
  return <Table label={t("services")} rows={rows} columns={columns} id={(row) => `${row.kind}${row.id}`} />;
}
