/** Draining an agent, taking it out and back. */
import { useState } from "preact/hooks";
import * as api from "../api/clients";
import { callFor, nodeActionsOf, type NodeAction } from "../core/node_actions";
import type { NodeRow } from "../core/nodes";
import type { Word } from "../core/texts";
import { summary } from "../sources";
import { Dialog } from "./actions";
import { useText } from "./settings";

const ASKS: Record<NodeAction, Word> = { drain: "askDrain", deactivate: "askDeactivate", reactivate: "askReactivate" };
const GRACE_S = 300;

export function NodeActions({ row }: { row: NodeRow }) {
  const t = useText();
  const [chosen, choose] = useState<NodeAction>();
  const [grace, wait] = useState(GRACE_S);
  const act = async (action: NodeAction) => {
    await api.callMaster(callFor(action, row.id, grace));
    void summary.refresh();
  };
  return (
    <div class="actions">
      {nodeActionsOf(row.state).map((one) => (
        <button type="button" onClick={() => choose(one)}>
          {t(one)}
        </button>
      ))}
      {chosen && (
        <Dialog
          title={`${t(chosen)}: ${row.host}`}
          text={t(ASKS[chosen])}
          button={t(chosen)}
          danger={chosen === "drain"}
          act={() => act(chosen)}
          onClose={() => choose(undefined)}
        >
          {chosen === "drain" && (
            <label>
              {t("grace")}
              <input type="number" min={0} step={1} required value={grace} onInput={(event) => wait(event.currentTarget.valueAsNumber)} />
            </label>
          )}
        </Dialog>
      )}
    </div>
  );
}
