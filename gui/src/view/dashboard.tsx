/** The cluster at a glance: what is allocated, what runs, what is unwell, what changes. */
import type { Deployment, Resources, Unit } from "../api/types";
import { cpus, percent, rounded, size } from "../core/format";
import { allocation, points } from "../core/nodes";
import { to } from "../core/route";
import type { Word } from "../core/texts";
import * as sources from "../sources";
import { useSource } from "../store";
import { RollBack } from "./actions";
import { Meter, Shown } from "./parts";
import { useText } from "./settings";

const KINDS: { key: keyof Resources; word: Word; text: (value: number) => string }[] = [
  { key: "cpus", word: "cpu", text: cpus },
  { key: "mem", word: "memory", text: size },
  { key: "disk", word: "disk", text: size },
  { key: "gpus", word: "gpu", text: rounded },
];

export function Dashboard() {
  const t = useText();
  const summary = useSource(sources.summary);
  const units = useSource(sources.units);
  const deployments = useSource(sources.deployments);
  return (
    <>
      <h1>{t("dashboard")}</h1>
      <Shown told={summary}>
        {(value) => {
          const now = allocation(value);
          return (
            <>
              <section class="cards" aria-label={t("allocation")}>
                {KINDS.map((kind) => (
                  <Allocated key={kind.key} kind={kind} used={now.used[kind.key]} total={now.total[kind.key]} />
                ))}
              </section>
              <section class="cards">
                <div class="card">
                  <h2>{t("tasks")}</h2>
                  <p class="big">{now.tasks.running}</p>
                  <p class="quiet">{t("running")}</p>
                  <ul class="counts">
                    {(["starting", "ending", "unreachable", "failed"] as const).map((key) => (
                      <li class={key === "failed" || key === "unreachable" ? warned(now.tasks[key]) : ""}>
                        <b>{now.tasks[key]}</b> {t(key)}
                      </li>
                    ))}
                  </ul>
                </div>
                <div class="card">
                  <h2>
                    <a href={to.nodes}>{t("nodes")}</a>
                  </h2>
                  <p class="big">{now.agents}</p>
                  <p class="quiet">
                    {t("of")} {value.slaves.length}
                  </p>
                  <ul class="grid" aria-hidden="true">
                    {value.slaves.slice(0, 200).map((one) => (
                      <li class={one.active ? level(one.used_resources, one.resources) : "off"} title={one.hostname} />
                    ))}
                  </ul>
                </div>
                <div class="card">
                  <h2>{t("components")}</h2>
                  <Shown told={units}>{(all) => <Unwell units={all} />}</Shown>
                </div>
              </section>
            </>
          );
        }}
      </Shown>
      <section class="card">
        <h2>{t("deployments")}</h2>
        <Shown told={deployments}>{(all) => <Deployments all={all} />}</Shown>
      </section>
    </>
  );
}

const warned = (count: number): string => (count > 0 ? "warn" : "");

/** How full an agent is, by the resource that is scarcest, in five steps. */
function level(used: Resources, total: Resources): string {
  const most = Math.max(percent(used.cpus, total.cpus), percent(used.mem, total.mem));
  return `level${Math.min(4, Math.floor(most / 20))}`;
}

const WIDTH = 240;
const HEIGHT = 48;

function Allocated({ kind, used, total }: { kind: (typeof KINDS)[number]; used: number; total: number }) {
  const t = useText();
  const shares = sources.history().map((one) => percent(one.used[kind.key], one.total[kind.key]) / 100);
  const label = `${kind.text(used)} ${t("of")} ${kind.text(total)}`;
  return (
    <div class="card">
      <h2>{t(kind.word)}</h2>
      <p class="big">{Math.round(percent(used, total))} %</p>
      <p class="quiet">{label}</p>
      <svg class="line" viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`} preserveAspectRatio="none" aria-hidden="true">
        <polyline points={points(shares, WIDTH, HEIGHT)} />
      </svg>
      <Meter used={used} total={total} label={label} />
    </div>
  );
}

function Unwell({ units }: { units: Unit[] }) {
  const t = useText();
  const unwell = units.filter((one) => one.health !== 0);
  if (unwell.length === 0) return <p class="well">{t("allWell")}</p>;
  return (
    <ul class="plain">
      {unwell.map((one) => (
        <li title={one.id}>
          <span class="dot bad" aria-hidden="true" /> {one.name}
        </li>
      ))}
    </ul>
  );
}

const SHOWN = 5;

function Deployments({ all }: { all: Deployment[] }) {
  const t = useText();
  if (all.length === 0) return <p class="quiet">{t("noDeployments")}</p>;
  const latest = [...all].sort((a, b) => b.version.localeCompare(a.version)).slice(0, SHOWN);
  return (
    <ul class="plain deployments">
      {latest.map((one) => (
        <li key={one.id}>
          <div>
            {[...(one.affectedApps ?? []), ...(one.affectedPods ?? [])].map((id) => (
              <a href={to.service(id)}>{id}</a>
            ))}
          </div>
          <span class="quiet">
            {t("step")} {one.currentStep ?? 0} {t("of")} {one.totalSteps ?? 0}
          </span>
          <RollBack id={one.id} />
          {one.explanation && <p>{one.explanation}</p>}
        </li>
      ))}
    </ul>
  );
}
