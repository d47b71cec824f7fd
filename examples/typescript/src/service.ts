// The service `intuition.v1.Algorithm`: the contract on the outside, the algorithm on the inside.

import { status, type sendUnaryData, type ServerDuplexStream } from "@grpc/grpc-js";

import { MeanReversion, NoPrice, UnreadableState } from "./algorithm.js";
import { formatPrice } from "./decimal.js";
import { type Details, NoDetail, readDetails } from "./details.js";
import { Waiting } from "./indicators.js";
import type { AlgorithmHandlers } from "./generated/intuition/v1/Algorithm.js";
import type { EventBatch__Output } from "./generated/intuition/v1/EventBatch.js";
import type { EventBatchResult } from "./generated/intuition/v1/EventBatchResult.js";
import type { EventResult } from "./generated/intuition/v1/EventResult.js";
import type { EventsRequest__Output } from "./generated/intuition/v1/EventsRequest.js";
import type { EventsResponse } from "./generated/intuition/v1/EventsResponse.js";
import type { InitializeRequest__Output } from "./generated/intuition/v1/InitializeRequest.js";
import type { InputEvent__Output } from "./generated/intuition/v1/InputEvent.js";
import type { Publication } from "./generated/intuition/v1/Publication.js";
import type { ReconfigureResponse } from "./generated/intuition/v1/ReconfigureResponse.js";
import { PARAMETERS_SCHEMA, readParameters, Refused } from "./parameters.js";

const NAME = "mean-reversion";
const VERSION = "0.1.0";
const CHANNELS = ["quotes"];

type EventsCall = ServerDuplexStream<EventsRequest__Output, EventsResponse>;

/** An error with the gRPC status that tells it. */
class CallError extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}

/** Serves any number of accounts; what belongs to one is kept with its stream. */
export class Service {
  private readonly streams = new Set<EventsCall>();
  private stopping = false;

  /** For `Server.addService`. */
  handlers(): AlgorithmHandlers {
    return {
      Describe: (_call, callback) => {
        callback(null, {
          name: NAME,
          version: VERSION,
          contract: "intuition.v1",
          parameters_schema_json: JSON.stringify(PARAMETERS_SCHEMA),
        });
      },
      Events: (call) => this.events(call),
      Initialize: ({ request }, callback) =>
        answer(callback, () => {
          open(request);
          return { channels: CHANNELS };
        }),
      Event: ({ request }, callback) =>
        answer(callback, () => {
          if (!request.event) {
            throw new CallError(status.INVALID_ARGUMENT, "event is missing");
          }
          const { results, ...rest } = decide(open(request), [request.event]);
          return { result: results[0] ?? null, ...rest };
        }),
    };
  }

  /** Ends the streams: the server's shutdown waits for them. The runtime opens them again elsewhere. */
  stop(): void {
    this.stopping = true;
    for (const call of this.streams) {
      end(call, new CallError(status.UNAVAILABLE, "the algorithm is being shut down"));
    }
    this.streams.clear();
  }

  // Nothing in here waits for anything, so that answers leave in the order in which messages came.
  private events(call: EventsCall): void {
    if (this.stopping) {
      end(call, new CallError(status.UNAVAILABLE, "the algorithm is being shut down"));
      return;
    }
    const session = new Session();
    this.streams.add(call);
    call.on("data", (request: EventsRequest__Output) => {
      if (!this.streams.has(call)) {
        return;
      }
      try {
        if (!call.write(session.answer(request))) {
          // Who does not read its answers gets no more of them computed.
          call.pause();
          call.once("drain", () => call.resume());
        }
      } catch (error) {
        this.streams.delete(call);
        end(call, error);
      }
    });
    // The runtime has closed its side: OK.
    call.on("end", () => {
      if (this.streams.delete(call)) {
        call.end();
      }
    });
    call.on("cancelled", () => this.streams.delete(call));
  }
}

/** One stream: one account. */
class Session {
  private algorithm: MeanReversion | undefined;
  private begun = false;

  answer(request: EventsRequest__Output): EventsResponse {
    if (request.initialize) {
      return { initialized: this.initialize(request.initialize) };
    }
    if (this.algorithm === undefined) {
      const why = this.begun ? "initialize was refused" : "the first message must be initialize";
      throw new CallError(status.FAILED_PRECONDITION, why);
    }
    if (request.batch) {
      return { result: decideBatch(this.algorithm, request.batch) };
    }
    if (request.reconfigure) {
      return { reconfigured: reconfigure(this.algorithm, request.reconfigure.parameters_json) };
    }
    throw new CallError(status.INVALID_ARGUMENT, "a message of an unknown kind");
  }

  private initialize(request: InitializeRequest__Output): { channels?: string[]; refusal?: string } {
    if (this.begun) {
      throw new CallError(status.FAILED_PRECONDITION, "initialize is the first message and comes once");
    }
    this.begun = true;
    return unlessRefused(() => {
      this.algorithm = open(request);
      return { channels: CHANNELS };
    });
  }
}

function reconfigure(algorithm: MeanReversion, json: string): ReconfigureResponse {
  return unlessRefused(() => {
    algorithm.reconfigure(readParameters(json));
    return {};
  });
}

function unlessRefused<Answer>(attempt: () => Answer): Answer | { refusal: string } {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof Refused) {
      return { refusal: error.message };
    }
    throw error;
  }
}

function open(request: { parameters_json: string; state: Buffer }): MeanReversion {
  return new MeanReversion(readParameters(request.parameters_json), request.state);
}

function decideBatch(algorithm: MeanReversion, batch: EventBatch__Output): EventBatchResult {
  return { number: batch.number, ...decide(algorithm, batch.events) };
}

interface Outcome {
  results: EventResult[];
  state?: Buffer;
  publications: Publication[];
}

function decide(algorithm: MeanReversion, events: readonly InputEvent__Output[]): Outcome {
  const publications: Publication[] = [];
  // Values and their quote are in one batch, so that nothing waits for the next one.
  const waiting = new Waiting();
  let changed = false;
  const results = events.map(({ event, quote, indicator }): EventResult => {
    if (indicator) {
      waiting.push(indicator);
    }
    // An indicator cannot be traded, and a kind of event that is not known here has no signals.
    if (!quote) {
      return { event };
    }
    try {
      const indicators = waiting.take(quote.sid);
      const details = readDetails(quote);
      const wish = algorithm.quote(quote.sid, quote.price, indicators);
      changed = true;
      if (wish === undefined) {
        return { event };
      }
      const told = { sid: quote.sid, price: quote.price, average: wish.average, side: wish.side, ...spread(details) };
      publications.push({ channel: "crossings", payload: Buffer.from(JSON.stringify(told)) });
      return { event, signals: [{ event, side: wish.side }] };
    } catch (error) {
      if (error instanceof NoPrice || error instanceof NoDetail) {
        return { event, reject: error.message };
      }
      throw error;
    }
  });
  return { results, publications, ...(changed ? { state: algorithm.save() } : {}) };
}

/** Ask less bid, where the publisher gave both. It is negative in a crossed book. */
function spread({ bid, ask }: Details): { spread?: string } {
  return bid === undefined || ask === undefined ? {} : { spread: formatPrice(ask - bid) };
}

function answer<Response>(callback: sendUnaryData<Response>, compute: () => Response): void {
  try {
    callback(null, compute());
  } catch (error) {
    callback(statusOf(error));
  }
}

function end(call: EventsCall, error: unknown): void {
  call.emit("error", statusOf(error));
}

function statusOf(error: unknown): CallError {
  if (error instanceof CallError) {
    return error;
  }
  if (error instanceof Refused) {
    return new CallError(status.INVALID_ARGUMENT, error.message);
  }
  if (error instanceof UnreadableState) {
    return new CallError(status.FAILED_PRECONDITION, error.message);
  }
  return new CallError(status.INTERNAL, error instanceof Error ? error.message : String(error));
}
