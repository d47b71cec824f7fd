// A client of the contract, on a real socket.

import type { TestContext } from "node:test";

import { credentials, type ClientDuplexStream, type ServiceError, type StatusObject } from "@grpc/grpc-js";

import type { AlgorithmClient } from "../src/generated/intuition/v1/Algorithm.js";
import type { EventBatchResult__Output } from "../src/generated/intuition/v1/EventBatchResult.js";
import type { EventsRequest } from "../src/generated/intuition/v1/EventsRequest.js";
import type { EventsResponse__Output } from "../src/generated/intuition/v1/EventsResponse.js";
import { defaultProtoFolder, loadContract, serve, type Running } from "../src/server.js";

/** A server for one test, and a client of it. */
export async function start(t: TestContext): Promise<{ server: Running; client: AlgorithmClient }> {
  const server = await serve("127.0.0.1:0", defaultProtoFolder());
  const client = clientOf(server.address);
  t.after(async () => {
    client.close();
    await server.stop();
  });
  return { server, client };
}

/** A client of `host:port` or `unix:/path`. */
export function clientOf(address: string): AlgorithmClient {
  return new (loadContract(defaultProtoFolder()).Algorithm)(address, credentials.createInsecure());
}

/** The answer of a unary call. */
export function unary<Answer>(call: (callback: (error: ServiceError | null, answer?: Answer) => void) => void) {
  return new Promise<Answer>((resolve, reject) => {
    call((error, answer) => {
      if (error || answer === undefined) {
        reject(error ?? new Error("no answer"));
      } else {
        resolve(answer);
      }
    });
  });
}

/** One Events stream, message for message. */
export class Stream {
  /** How the call ended. */
  readonly ended: Promise<StatusObject>;
  private readonly call: ClientDuplexStream<EventsRequest, EventsResponse__Output>;
  private readonly answers: AsyncIterator<EventsResponse__Output>;
  private events = 0;
  private batches = 0;

  constructor(client: AlgorithmClient) {
    this.call = client.Events();
    this.ended = new Promise((resolve) => this.call.once("status", resolve));
    this.answers = this.call[Symbol.asyncIterator]();
    // The status says it too.
    this.call.on("error", () => undefined);
  }

  write(message: EventsRequest): void {
    this.call.write(message);
  }

  async read(): Promise<EventsResponse__Output> {
    const { value, done } = await this.answers.next();
    if (done) {
      throw new Error("the stream has ended");
    }
    return value;
  }

  async ask(message: EventsRequest): Promise<EventsResponse__Output> {
    this.write(message);
    return this.read();
  }

  initialize(parameters: object, state: Buffer = Buffer.alloc(0)): Promise<EventsResponse__Output> {
    return this.ask({ initialize: { account: "default/a", parameters_json: JSON.stringify(parameters), state } });
  }

  /** One batch of quotes of one symbol. */
  async quotes(sid: string, ...prices: string[]): Promise<EventBatchResult__Output> {
    const events = prices.map((price) => ({ event: ++this.events, quote: { sid, price, time_micros: 0 } }));
    const { result } = await this.ask({ batch: { number: ++this.batches, events } });
    if (!result) {
      throw new Error("no result");
    }
    return result;
  }

  /** The client's side is closed: what the runtime does when it has no more events. */
  halfClose(): void {
    this.call.end();
  }

  cancel(): void {
    this.call.cancel();
  }
}

/** The sides signalled, an event each. */
export function sides(result: EventBatchResult__Output): (string | undefined)[] {
  return result.results.map(({ signals }) => signals[0]?.side);
}
