/** Small things that every page is made of. */
import type { ComponentChildren } from "preact";
import { Refused, Unreachable } from "../api/http";
import { percent } from "../core/format";
import type { Word } from "../core/texts";
import type { Told } from "../store";
import { useText } from "./settings";

/** A server's own words. */
export function Trouble({ error }: { error: Error | undefined }) {
  const t = useText();
  if (!error) return null;
  const unreached = error instanceof Unreachable;
  return (
    <p class="trouble" role="alert">
      {unreached ? `${t("unreached")} ${error.path}` : error.message}
      {error instanceof Refused && <span class="quiet"> ({error.status}, {error.path.split("?")[0]})</span>}
    </p>
  );
}

/** What was told, or that it is waited for; beside it what went wrong. */
export function Shown<T>({ told, children }: { told: Told<T>; children: (value: T) => ComponentChildren }) {
  const t = useText();
  return (
    <>
      <Trouble error={told.trouble} />
      {told.value !== undefined ? children(told.value) : !told.trouble && <p class="quiet">{t("loading")}</p>}
    </>
  );
}

export type Tone = "good" | "busy" | "bad" | "quiet";

export function Badge({ tone, word }: { tone: Tone; word: Word }) {
  const t = useText();
  return <span class={`badge ${tone}`}>{t(word)}</span>;
}

/** How much of something is used. `label` says both numbers; `wanted`: all of it is what one wants. */
export function Meter({ used, total, label, wanted }: { used: number; total: number; label: string; wanted?: boolean }) {
  const share = percent(used, total);
  const high = share > 90 && !wanted;
  return (
    <span class="meter" title={label} role="img" aria-label={label}>
      <span class={high ? "fill high" : "fill"} style={{ width: `${share}%` }} />
    </span>
  );
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Crumbs({ trail }: { trail: { name: string; href?: string }[] }) {
  return (
    <nav class="crumbs" aria-label="breadcrumb">
      {trail.map((one) => (one.href ? <a href={one.href}>{one.name}</a> : <span aria-current="page">{one.name}</span>))}
    </nav>
  );
}
