// The program as it is started in a container.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { status } from "@grpc/grpc-js";

import { clientOf, Stream, unary } from "./harness.js";

const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));
const PATIENCE = { timeout: 20_000 };

/** Starts the program and waits until it says where it listens. */
async function run(t: TestContext, address: string): Promise<{ program: ChildProcess; address: string }> {
  const program = spawn(process.execPath, [MAIN, "--addr", address], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => program.kill("SIGKILL"));
  for await (const line of createInterface(program.stdout)) {
    const listening = /listens on (.*)$/.exec(line)?.[1];
    if (listening !== undefined) {
      program.stdout.resume();
      return { program, address: listening };
    }
  }
  throw new Error("it ended before it listened");
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "mean-reversion-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("SIGTERM ends it though a stream is open, and the stream is told why", PATIENCE, async (t) => {
  const { program, address } = await run(t, "127.0.0.1:0");
  const client = clientOf(address);
  const stream = new Stream(client);
  await stream.initialize({});
  const exited = once(program, "exit");
  program.kill("SIGTERM");
  const { code, details } = await stream.ended;
  assert.equal(code, status.UNAVAILABLE);
  assert.match(details, /shut down/);
  assert.deepEqual(await exited, [0, null]);
  client.close();
});

test("it serves on a Unix socket, also where one was left behind", PATIENCE, async (t) => {
  const path = join(folder(t), "algorithm.sock");
  const killed = await run(t, `unix:${path}`);
  const exited = once(killed.program, "exit");
  killed.program.kill("SIGKILL");
  await exited;
  assert.ok(existsSync(path));
  const { address } = await run(t, `unix:${path}`);
  const client = clientOf(address);
  assert.equal((await unary(client.Describe.bind(client, {}))).name, "mean-reversion");
  client.close();
});

test("an address that is none, or taken, ends it with a sentence", PATIENCE, async (t) => {
  const { address } = await run(t, "127.0.0.1:0");
  for (const [given, expected] of [
    ["http://127.0.0.1:1", /neither host:port nor unix:\/path/],
    [address, /cannot listen on 127\.0\.0\.1:\d+/],
  ] as const) {
    const program = spawn(process.execPath, [MAIN, "--addr", given], { stdio: ["ignore", "ignore", "pipe"] });
    let told = "";
    program.stderr.on("data", (text: Buffer) => (told += text.toString()));
    const [code] = await once(program, "close");
    assert.equal(code, 1);
    assert.match(told, expected);
  }
});
