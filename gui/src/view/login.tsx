/** Logging in: by name and password, or at an identity provider. */
import { useEffect, useState } from "preact/hooks";
import { login, providers } from "../api/clients";
import type { Providers } from "../api/types";
import { afterLogin } from "../core/route";
import { Trouble } from "./parts";
import { useText } from "./settings";

export function Login({ redirect }: { redirect: string }) {
  const t = useText();
  const [offered, offer] = useState<Providers>({});
  const [error, fail] = useState<Error>();
  const [busy, work] = useState(false);
  const refused = new URLSearchParams(location.search).get("iam-error");
  const back = afterLogin(redirect, location.origin);

  useEffect(() => {
    providers().then(offer, fail);
  }, []);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    work(true);
    fail(undefined);
    try {
      await login(String(form.get("uid")), String(form.get("password")));
      location.assign(back);
    } catch (trouble) {
      fail(trouble as Error);
    } finally {
      work(false);
    }
  };

  return (
    <main class="login" id="content">
      <form class="card" onSubmit={submit}>
        <h1>DC/OS</h1>
        {refused && <Trouble error={new Error(`${t("iamError")} ${refused}`)} />}
        <label>
          {t("user")}
          <input name="uid" autocomplete="username" required autofocus />
        </label>
        <label>
          {t("password")}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        <Trouble error={error} />
        <button class="primary" disabled={busy}>
          {t("login")}
        </button>
        {browserProviders(offered).map(([id, kind, description]) => (
          <a class="button" href={`/acs/api/v1/auth/login?${kind}=${encodeURIComponent(id)}&target=${encodeURIComponent(back)}`}>
            {t("loginWith")} {description || id}
          </a>
        ))}
      </form>
    </main>
  );
}

/** Logins that go through the browser: their type, and what bouncer is asked for. */
const THROUGH_BROWSER: Record<string, string> = {
  "oidc-authorization-code-flow": "oidc-provider",
  "saml-sp-initiated": "saml-provider",
};

/** [id, kind, description] of those. */
function browserProviders(offered: Providers): [string, string, string][] {
  return Object.entries(offered).flatMap(([id, one]) => {
    const kind = THROUGH_BROWSER[one["authentication-type"]];
    return kind ? [[id, kind, one.description] as [string, string, string]] : [];
  });
}
