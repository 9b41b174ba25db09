/** One app or pod: how it is, why it waits, its tasks. */
import { useEffect, useMemo } from "preact/hooks";
import * as api from "../api/clients";
import { Refused } from "../api/http";
import type { App, AppTask, Pod, PodInstance, Wait } from "../api/types";
import { age, cpus, size } from "../core/format";
import { to } from "../core/route";
import { appState, findService, isPod, podState, taskHealth, waitingOf, type State } from "../core/services";
import * as sources from "../sources";
import { Source, useSource } from "../store";
import { Actions } from "./actions";
import { Badge, Crumbs, Fact, Shown, Trouble } from "./parts";
import { trailTo } from "./services";
import { useText } from "./settings";
import { Table, type Column } from "./table";
import { HEALTH_TONE, SERVICE_TONE } from "./words";

export function Service({ id }: { id: string }) {
  const t = useText();
  const groups = useSource(sources.groups);
  const queue = useSource(sources.queue);
  const service = groups.value && findService(groups.value, id);
  const queued = waitingOf(queue.value).get(id);
  return (
    <>
      <Crumbs trail={trailTo(id, t("services"))} />
      <Shown told={groups}>
        {() =>
          service === undefined ? (
            <p>{t("notThere")}</p>
          ) : isPod(service) ? (
            <OfPod pod={service} state={podState(service, queued)} />
          ) : (
            <OfApp app={service} state={appState(service, queued)} />
          )
        }
      </Shown>
    </>
  );
}

function Title({ id, state }: { id: string; state: State }) {
  return (
    <h1 class="title">
      {id} <Badge tone={SERVICE_TONE[state]} word={state} />
    </h1>
  );
}

/** A source of one thing's detail, brought forward by what the list of services tells. */
function useDetail<T>(ask: () => Promise<T>, id: string) {
  const source = useMemo(() => new Source(ask, 5_000), [id]);
  useEffect(() => sources.groups.look(() => void source.refresh()), [source]);
  return useSource(source);
}

function OfApp({ app, state }: { app: App; state: State }) {
  const t = useText();
  const detail = useDetail(() => api.app(app.id), app.id);
  const failure = app.lastTaskFailure ?? detail.value?.lastTaskFailure;
  return (
    <>
      <Title id={app.id} state={state} />
      <Actions service={app} />
      <Trouble error={gone(detail.trouble)} />
      <Why waits={detail.value?.waits} />
      <dl class="facts card">
        <Fact name={t("instances")}>
          {app.tasksRunning ?? 0} {t("of")} {app.instances}
        </Fact>
        <Fact name={t("cpu")}>{cpus(app.cpus)}</Fact>
        <Fact name={t("memory")}>{size(app.mem)}</Fact>
        <Fact name={t("disk")}>{size(app.disk)}</Fact>
        {app.container?.docker?.image && <Fact name={t("image")}>{app.container.docker.image}</Fact>}
        <Fact name={t("version")}>{app.version}</Fact>
        {app.cmd && (
          <Fact name={t("command")}>
            <code>{app.cmd}</code>
          </Fact>
        )}
        <Labels labels={app.labels} />
      </dl>
      {failure && (
        <section class="card">
          <h2>{t("lastFailure")}</h2>
          <p>
            {failure.state} · {failure.host} · {failure.timestamp}
          </p>
          <pre>{failure.message}</pre>
        </section>
      )}
      <h2>{t("tasks")}</h2>
      <TaskTable tasks={app.tasks ?? []} />
    </>
  );
}

/** The list of services says when a service is gone; its detail need not say it again. */
function gone(trouble: Error | undefined): Error | undefined {
  return trouble instanceof Refused && trouble.status === 404 ? undefined : trouble;
}

function Labels({ labels }: { labels: Record<string, string> | undefined }) {
  const t = useText();
  // Cosmos keeps whole packages in labels; they are for machines.
  const shown = Object.entries(labels ?? {}).filter(([name]) => !/^DCOS_PACKAGE_(DEFINITION|METADATA|OPTIONS)$/.test(name));
  if (shown.length === 0) return null;
  return (
    <Fact name={t("labels")}>
      <ul class="labels">
        {shown.map(([name, value]) => (
          <li>
            {name}: {value}
          </li>
        ))}
      </ul>
    </Fact>
  );
}

function Why({ waits }: { waits: Wait[] | undefined }) {
  const t = useText();
  if (!waits || waits.length === 0) return null;
  return (
    <section class="card why" aria-live="polite">
      <h2>{t("why")}</h2>
      <ul class="plain">
        {waits.map((wait) => (
          <li>
            <p>{wait.text}</p>
            {wait.helps && (
              <p class="helps">
                {t("helps")}: {wait.helps}
              </p>
            )}
            <ul class="agents">
              {(wait.agents ?? []).map((one) => (
                <li>
                  <a href={to.node(one.agentId)}>{one.host}</a>: {one.text}
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </section>
  );
}

function TaskTable({ tasks }: { tasks: AppTask[] }) {
  const t = useText();
  const columns: Column<AppTask>[] = [
    { key: "id", head: t("name"), width: "minmax(10rem, 3fr)", value: (one) => one.id, cell: (one) => <span title={one.id}>{one.id}</span> },
    {
      key: "host",
      head: t("host"),
      width: "minmax(6rem, 1.5fr)",
      value: (one) => one.host ?? "",
      cell: (one) => (one.slaveId ? <a href={to.node(one.slaveId)}>{one.host}</a> : (one.host ?? "")),
    },
    { key: "state", head: t("state"), width: "minmax(7rem, 1fr)", value: (one) => one.state, cell: (one) => one.state },
    {
      key: "health",
      head: t("health"),
      width: "minmax(6.5rem, 1fr)",
      wide: true,
      value: taskHealth,
      cell: (one) => <Badge tone={HEALTH_TONE[taskHealth(one)]} word={taskHealth(one)} />,
    },
    {
      key: "since",
      head: t("since"),
      width: "minmax(4rem, .6fr)",
      wide: true,
      value: (one) => one.startedAt ?? one.stagedAt ?? "",
      cell: (one) => since(one.startedAt ?? one.stagedAt),
    },
  ];
  return <Table label={t("tasks")} rows={tasks} columns={columns} id={(one) => one.id} />;
}

function since(moment: string | undefined): string {
  return moment ? age(Date.parse(moment), Date.now()) : "";
}

function OfPod({ pod, state }: { pod: Pod; state: State }) {
  const t = useText();
  const detail = useDetail(() => api.pod(pod.id), pod.id);
  const instances = pod.instances ?? [];
  const columns: Column<PodInstance>[] = [
    { key: "id", head: t("name"), width: "minmax(10rem, 3fr)", value: (one) => one.id, cell: (one) => <span title={one.id}>{one.id}</span> },
    {
      key: "host",
      head: t("host"),
      width: "minmax(6rem, 1.5fr)",
      value: (one) => one.agentHostname ?? "",
      cell: (one) => (one.agentId ? <a href={to.node(one.agentId)}>{one.agentHostname}</a> : (one.agentHostname ?? "")),
    },
    { key: "state", head: t("state"), width: "minmax(7rem, 1fr)", value: (one) => one.status, cell: (one) => one.status },
    {
      key: "since",
      head: t("since"),
      width: "minmax(4rem, .6fr)",
      wide: true,
      value: (one) => one.statusSince ?? "",
      cell: (one) => since(one.statusSince),
    },
  ];
  return (
    <>
      <Title id={pod.id} state={state} />
      <Actions service={pod} />
      <Trouble error={gone(detail.trouble)} />
      <Why waits={detail.value?.waits} />
      <dl class="facts card">
        {pod.spec.containers.map((one) => (
          <Fact name={one.name}>
            {cpus(one.resources?.cpus ?? 0)} {t("cpu")}, {size(one.resources?.mem ?? 0)}
          </Fact>
        ))}
        <Labels labels={pod.spec.labels} />
      </dl>
      <h2>{t("instances")}</h2>
      <Table label={t("instances")} rows={instances} columns={columns} id={(one) => one.id} />
    </>
  );
}
