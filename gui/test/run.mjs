// Tests are TypeScript: esbuild makes JavaScript of them in a folder that is removed, node's own runner runs it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const made = mkdtempSync(join(tmpdir(), "dcos-gui-test-"));
let code = 1;
try {
  const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
  await build({
    entryPoints: tests.map((name) => join("test", name)),
    outdir: made,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  const files = readdirSync(made).filter((name) => name.endsWith(".mjs")).map((name) => join(made, name));
  code = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(made, { recursive: true, force: true });
}
process.exit(code);
