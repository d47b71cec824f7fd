// Usage: node dist/src/main.js [--addr HOST:PORT|unix:/PATH] [--proto FOLDER]
// Without --addr it listens where INTUITION_ADDR says, else on 127.0.0.1:50051.

import { parseArgs } from "node:util";

import { defaultProtoFolder, serve } from "./server.js";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      addr: { type: "string", default: process.env["INTUITION_ADDR"] ?? "127.0.0.1:50051" },
      proto: { type: "string", default: defaultProtoFolder() },
    },
  });
  const stopped = new Promise<string>((resolve) => {
    process.once("SIGTERM", resolve).once("SIGINT", resolve);
  });
  const server = await serve(values.addr, values.proto);
  console.log(`mean-reversion listens on ${server.address}`);
  console.log(`${await stopped}: shutting down`);
  await server.stop();
}

main().catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
