// The server around the service: the contract read at run time, the socket, the way out.

import { existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

import { loadPackageDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { HealthImplementation } from "grpc-health-check";

import type { ProtoGrpcType } from "./generated/algorithm.js";
import { Service } from "./service.js";

/** How long calls in progress may take once the server is told to stop, in milliseconds. */
const DRAIN_MILLISECONDS = 5_000;

/** The contract, from the folder that has `intuition/v1`. The options are those that the types were generated with. */
export function loadContract(protoFolder: string): ProtoGrpcType["intuition"]["v1"] {
  const definition = loadSync("intuition/v1/algorithm.proto", {
    includeDirs: [protoFolder],
    // Numbers of 64 bits as text: a number of JavaScript has 53.
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
    keepCase: true,
  });
  return (loadPackageDefinition(definition) as unknown as ProtoGrpcType).intuition.v1;
}

/** Where the proto files are: beside this package in an image, else in the repository. */
export function defaultProtoFolder(): string {
  const beside = fileURLToPath(new URL("../../proto", import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL("../../../../algo-runtime/api/proto", import.meta.url));
}

/** A server that listens. */
export interface Running {
  /** Where: `host:port` with the port that it got, or `unix:/path`. */
  readonly address: string;
  /** Ends streams, lets calls in progress end, and closes the socket. */
  stop(): Promise<void>;
}

/** Serves on `host:port` (port 0: a free one) or `unix:/path`. */
export async function serve(address: string, protoFolder: string): Promise<Running> {
  const service = new Service();
  const server = new Server();
  server.addService(loadContract(protoFolder).Algorithm.service, service.handlers());
  const health = new HealthImplementation({ "": "SERVING", "intuition.v1.Algorithm": "SERVING" });
  health.addToServer(server);
  await removeSocketLeftBehind(address);
  const port = await bind(server, address);
  return {
    address: address.startsWith("unix:") ? address : address.replace(/\d+$/, String(port)),
    stop: () => {
      health.setStatus("", "NOT_SERVING");
      health.setStatus("intuition.v1.Algorithm", "NOT_SERVING");
      service.stop();
      return shutDown(server);
    },
  };
}

// A name or an address, IPv6 in brackets.
const ADDRESS = /^(unix:\/.+|([^/:[\]]+|\[[0-9a-fA-F:.]+\]):\d{1,5})$/;

function bind(server: Server, address: string): Promise<number> {
  if (!ADDRESS.test(address)) {
    throw new Error(`--addr ${JSON.stringify(address)} is neither host:port nor unix:/path`);
  }
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error) {
        reject(new Error(`cannot listen on ${address}: ${error.message}`));
      } else {
        resolve(port);
      }
    });
  });
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // A client that watches the health never ends its call.
    const deadline = setTimeout(() => server.forceShutdown(), DRAIN_MILLISECONDS);
    server.tryShutdown(() => {
      clearTimeout(deadline);
      resolve();
    });
  });
}

// A process that was killed leaves its socket behind, and nobody could listen there any more.
async function removeSocketLeftBehind(address: string): Promise<void> {
  const path = address.startsWith("unix:") ? address.slice("unix:".length) : undefined;
  if (path === undefined || !lstatSync(path, { throwIfNoEntry: false })?.isSocket()) {
    return;
  }
  const listening = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
  if (!listening) {
    unlinkSync(path);
  }
}
