/** What a person chose for this browser: language, light or dark. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { LANGUAGES, spoken, text, type Language, type Word } from "../core/texts";

export type Theme = "light" | "dark";

function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // a browser that keeps nothing asks its own settings each time
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // as above
  }
}

export function firstLanguage(): Language {
  const chosen = kept("dcos-language");
  return chosen !== null && chosen in LANGUAGES ? (chosen as Language) : spoken(navigator.languages);
}

export function chooseLanguage(language: Language): void {
  keep("dcos-language", language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

export function firstTheme(): Theme {
  const chosen = kept("dcos-theme");
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function showTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}

export function chooseTheme(theme: Theme): void {
  keep("dcos-theme", theme);
  showTheme(theme);
}

export const LanguageContext = createContext<Language>("en");

export function useText(): (word: Word) => string {
  const language = useContext(LanguageContext);
  return (word) => text(word, language);
}
