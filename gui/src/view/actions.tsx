/** Doing something to a service: a button each, a dialog that asks, and the server's words when it refuses. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/clients";
import type { App, Pod } from "../api/types";
import { actionsOf, instancesOf, mayForce, proofOf, requestFor, type Action } from "../core/actions";
import { to } from "../core/route";
import { above } from "../core/services";
import type { Word } from "../core/texts";
import { ofMarathon } from "../sources";
import { Trouble } from "./parts";
import { useText } from "./settings";

const ASKS: Record<Action, Word> = {
  scale: "askScale",
  restart: "askRestart",
  suspend: "askSuspend",
  resume: "askResume",
  remove: "askRemove",
};

export function Actions({ service }: { service: App | Pod }) {
  const t = useText();
  const [chosen, choose] = useState<Action>();
  return (
    <div class="actions">
      {actionsOf(service).map((one) => (
        <button type="button" class={one === "remove" ? "danger" : ""} onClick={() => choose(one)}>
          {t(one)}
        </button>
      ))}
      {chosen && <ServiceDialog action={chosen} service={service} onClose={() => choose(undefined)} />}
    </div>
  );
}

interface ServiceDialogProps {
  action: Action;
  service: App | Pod;
  onClose: () => void;
}

function ServiceDialog({ action, service, onClose }: ServiceDialogProps) {
  const t = useText();
  const [count, setCount] = useState(instancesOf(service));
  const [typed, type] = useState("");
  const act = async (force: boolean) => {
    await api.change(requestFor(action, service, count, force));
    if (action === "remove") location.hash = to.group(above(service.id).at(-1) ?? "/");
  };
  return (
    <Dialog
      title={`${t(action)}: ${service.id}`}
      text={t(ASKS[action])}
      button={t(action)}
      danger={action === "remove"}
      ready={action !== "remove" || typed === proofOf(service)}
      act={act}
      onClose={onClose}
    >
      {action === "scale" && (
        <label>
          {t("instances")}
          <input type="number" min={0} step={1} required value={count} onInput={(event) => setCount(event.currentTarget.valueAsNumber)} />
        </label>
      )}
      {action === "remove" && (
        <label>
          {t("retype")} {proofOf(service)}
          <input autocomplete="off" value={typed} onInput={(event) => type(event.currentTarget.value)} />
        </label>
      )}
    </Dialog>
  );
}

/** Rolls a deployment back. */
export function RollBack({ id }: { id: string }) {
  const t = useText();
  const [open, show] = useState(false);
  return (
    <>
      <button type="button" onClick={() => show(true)}>
        {t("rollBack")}
      </button>
      {open && (
        <Dialog
          title={t("rollBack")}
          text={t("askRollBack")}
          button={t("rollBack")}
          act={() => api.rollBack(id)}
          onClose={() => show(false)}
        />
      )}
    </>
  );
}

interface DialogProps {
  title: string;
  text: string;
  button: string;
  danger?: boolean;
  ready?: boolean;
  act: (force: boolean) => Promise<void>;
  onClose: () => void;
  children?: ComponentChildren;
}

/** A question that stays open until the server has agreed; Escape closes it. */
export function Dialog({ title, text, button, danger, ready = true, act, onClose, children }: DialogProps) {
  const t = useText();
  const box = useRef<HTMLDialogElement>(null);
  const [error, fail] = useState<Error>();
  const [force, setForce] = useState(false);
  const [busy, work] = useState(false);
  useEffect(() => box.current?.showModal(), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    work(true);
    fail(undefined);
    try {
      await act(force);
      for (const source of ofMarathon) void source.refresh();
      onClose();
    } catch (trouble) {
      fail(trouble as Error);
    } finally {
      work(false);
    }
  };
  return (
    <dialog ref={box} class="card" aria-label={title} onClose={onClose}>
      <form onSubmit={submit}>
        <h2>{title}</h2>
        <p>{text}</p>
        {children}
        <Trouble error={error} />
        {(force || (error && mayForce(error.message))) && (
          <label class="force">
            <input type="checkbox" checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />
            {t("force")}
          </label>
        )}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t("cancel")}
          </button>
          <button class={danger ? "danger full" : "primary"} disabled={busy || !ready}>
            {button}
          </button>
        </div>
      </form>
    </dialog>
  );
}
