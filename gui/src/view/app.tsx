/** The frame: which page, in which language, light or dark; the way around and out. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { logout } from "../api/clients";
import { parse, to, type Route } from "../core/route";
import { LANGUAGES, type Language, type Word } from "../core/texts";
import * as sources from "../sources";
import { followMarathon, useSource } from "../store";
import { Dashboard } from "./dashboard";
import { Login } from "./login";
import { Node } from "./node";
import { Nodes } from "./nodes";
import { Service } from "./service";
import { Services } from "./services";
import {
  LanguageContext, chooseLanguage, chooseTheme, firstLanguage, firstTheme, showTheme, useText, type Theme,
} from "./settings"; // prettier-ignore

export function App() {
  const [route, go] = useState<Route>(() => parse(location.hash));
  const [language, speak] = useState<Language>(firstLanguage);
  const [theme, paint] = useState<Theme>(firstTheme);

  useEffect(() => {
    const moved = () => {
      go(parse(location.hash));
      window.scrollTo(0, 0);
    };
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => showTheme(theme), [theme]);
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }, [language]);

  const tools = (
    <Tools
      language={language}
      onLanguage={(next) => (chooseLanguage(next), speak(next))}
      onTheme={() => {
        const next = theme === "dark" ? "light" : "dark";
        chooseTheme(next);
        paint(next);
      }}
    />
  );
  return (
    <LanguageContext.Provider value={language}>
      {route.page === "login" ? (
        <>
          <header class="corner">{tools}</header>
          <Login redirect={route.redirect} />
        </>
      ) : (
        <Frame route={route} tools={tools} />
      )}
    </LanguageContext.Provider>
  );
}

const MENU: { word: Word; href: string; pages: Route["page"][] }[] = [
  { word: "dashboard", href: to.dashboard, pages: ["dashboard"] },
  { word: "services", href: to.services, pages: ["services", "service"] },
  { word: "nodes", href: to.nodes, pages: ["nodes", "node"] },
];

function Frame({ route, tools }: { route: Route; tools: ComponentChildren }) {
  const t = useText();
  const { value } = useSource(sources.summary);
  useEffect(() => followMarathon(sources.ofMarathon), []);
  useEffect(() => {
    document.title = value?.cluster ? `${value.cluster} · DC/OS` : "DC/OS";
  }, [value?.cluster]);
  const leave = async () => {
    await logout().catch(() => undefined);
    document.cookie = "dcos-acs-info-cookie=; path=/; max-age=0";
    sources.forgetAll();
    location.hash = "#/login";
  };
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={toContent}>
        {t("skip")}
      </a>
      <header class="side">
        <a class="cluster" href={to.dashboard}>
          {value?.cluster ?? "DC/OS"}
        </a>
        <nav aria-label="DC/OS">
          {MENU.map((one) => (
            <a href={one.href} aria-current={one.pages.includes(route.page) ? "page" : undefined}>
              {t(one.word)}
            </a>
          ))}
        </nav>
        <div class="foot">
          {tools}
          <button type="button" onClick={leave}>
            {t("logout")}
          </button>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <Page route={route} />
      </main>
    </div>
  );
}

/** The hash is the page's address, so the link moves the focus itself. */
function toContent(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function Page({ route }: { route: Route }) {
  const t = useText();
  switch (route.page) {
    case "dashboard":
      return <Dashboard />;
    case "services":
      return <Services key={route.group} id={route.group} />;
    case "service":
      return <Service key={route.id} id={route.id} />;
    case "nodes":
      return <Nodes />;
    case "node":
      return <Node key={route.id} id={route.id} />;
    default:
      return <h1>{t("notFound")}</h1>;
  }
}

interface ToolsProps {
  language: Language;
  onLanguage: (language: Language) => void;
  onTheme: () => void;
}

function Tools({ language, onLanguage, onTheme }: ToolsProps) {
  const t = useText();
  return (
    <div class="tools">
      <select
        aria-label={t("language")}
        value={language}
        onChange={(event) => onLanguage(event.currentTarget.value as Language)}
      >
        {Object.entries(LANGUAGES).map(([key, name]) => (
          <option value={key}>{name}</option>
        ))}
      </select>
      <button type="button" class="icon" aria-label={t("theme")} title={t("theme")} onClick={onTheme}>
        ◐
      </button>
    </div>
  );
}
