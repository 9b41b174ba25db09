import assert from "node:assert/strict";
import { test } from "node:test";
import { age, cpus, percent, size } from "../src/core/format";
import { wordsOf } from "../src/core/refusal";
import { afterLogin, parse, to } from "../src/core/route";
import { inSight, ordered } from "../src/core/rows";
import { TEXTS, spoken, text } from "../src/core/texts";

test("quantities", () => {
  assert.equal(size(512), "512 MiB");
  assert.equal(size(1536), "1.5 GiB");
  assert.equal(size(1024 * 1024 * 200), "200 TiB");
  assert.equal(cpus(0.1 + 0.2), "0.3");
  assert.deepEqual([percent(1, 0), percent(1, 4), percent(5, 4)], [0, 25, 100]);
  assert.deepEqual([5, 65, 7200, 200_000].map((s) => age(0, s * 1000)), ["5 s", "1 min", "2 h", "2 d"]); // prettier-ignore
});

test("a refusal is told in the server's words", () => {
  const json = "application/json; charset=utf-8";
  assert.equal(wordsOf(401, json, '{"title": "Bad Request", "description": "Invalid credentials."}'), "Invalid credentials.");
  const marathon = '{"message": "Object is not valid", "details": [{"path": "/cpus", "errors": ["error.min"]}]}';
  assert.equal(wordsOf(422, json, marathon), "Object is not valid\n/cpus: error.min");
  assert.equal(wordsOf(503, "text/plain", "no leader\n"), "no leader");
  assert.equal(wordsOf(502, "text/html", "<h1>Bad gateway</h1>"), "HTTP 502");
  assert.equal(wordsOf(500, json, "not json"), "HTTP 500");
  assert.equal(wordsOf(500, json, '["x"]'), "HTTP 500");
});

test("addresses lead where they say, upstream's too", () => {
  assert.deepEqual(parse(""), { page: "dashboard" });
  assert.deepEqual(parse("#/services/overview/%2Fshop"), { page: "services", group: "/shop" });
  assert.deepEqual(parse(to.group("/a/b")), { page: "services", group: "/a/b" });
  assert.deepEqual(parse(to.group("/")), { page: "services", group: "/" });
  assert.deepEqual(parse(to.service("/a/b")), { page: "service", id: "/a/b" });
  assert.deepEqual(parse(to.node("S 0/1")), { page: "node", id: "S 0/1" });
  assert.deepEqual(parse("#/login?redirect=https%3A%2F%2Fx%2F%3Fa%3D1"), { page: "login", redirect: "https://x/?a=1" });
  assert.deepEqual(parse("#/login?relativePath=%2Fmesos"), { page: "login", redirect: "/mesos" });
  assert.deepEqual(parse("#/nowhere/at%all"), { page: "unknown", path: "/nowhere/at%all" });
});

test("a login leads back to this host only", () => {
  const here = "http://cluster.example";
  for (const evil of ["https://evil.example/", "//evil.example/x", "javascript:alert(1)", "\\\\evil.example", "http://cluster.example.evil.example/", "/#/login?redirect=x", ""]) {
    assert.equal(afterLogin(evil, here), "/#/dashboard", evil);
  }
  assert.equal(afterLogin(`${here}/service/web/?a=1#b`, here), "/service/web/?a=1#b");
  assert.equal(afterLogin("/#/nodes", here), "/#/nodes");
});

test("of ten thousand rows a screenful is drawn", () => {
  assert.deepEqual(inSight(10_000, 44, 0, 440), { first: 0, end: 18 });
  assert.deepEqual(inSight(10_000, 44, 44_000, 440), { first: 992, end: 1018 });
  assert.deepEqual(inSight(3, 44, 900, 440), { first: 0, end: 3 });
  assert.deepEqual(inSight(0, 44, 0, 440), { first: 0, end: 0 });
});

test("order by numbers as numbers, by texts with their numbers, equals as they were", () => {
  const rows = [{ n: 10, s: "a10" }, { n: 9, s: "a9" }, { n: 10, s: "b" }]; // prettier-ignore
  assert.deepEqual(ordered(rows, (row) => row.n, false).map((row) => row.s), ["a9", "a10", "b"]); // prettier-ignore
  assert.deepEqual(ordered(rows, (row) => row.s, true).map((row) => row.s), ["b", "a10", "a9"]); // prettier-ignore
});

test("every text is there in both languages", () => {
  for (const [word, both] of Object.entries(TEXTS)) assert.ok(both.every((one) => one.trim() !== ""), word);
  assert.equal(text("nodes", "zh"), "节点");
  assert.equal(spoken(["fr-FR", "zh-TW", "en"]), "zh");
  assert.equal(spoken(["fr"]), "en");
});
