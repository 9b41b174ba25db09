// One page, its script and its style, each named by a hash of its content: Admin Router lets browsers keep them for ever.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    target: "es2021",
    outDir: "dist",
    assetsDir: "assets",
    // A data: URL or an inline script would need a weaker content-security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
