// Mean reversion: what fell far below its average is expected to come back to it.
//
// Per symbol: buys when a price is more than `bandBasisPoints` below the average of the `window` prices before it, and
// sells the whole position when a price is back at the average. The parameter `average` names a published average that takes
// the place of its own. No gRPC in here, no clock, no randomness: the same quotes
// give the same signals, whatever restarts in between.

import { formatPrice, parsePrice } from "./decimal.js";
import type { Indicators } from "./indicators.js";
import { isObject, type Parameters } from "./parameters.js";

/** Symbols that are followed at once. Bounds the state, of which the runtime keeps at most 1 MiB. */
export const MOST_SYMBOLS = 128;

const BASIS_POINTS = 10_000n;

/** What the algorithm wishes to do at a quote, and the average that made it wish. */
export interface Wish {
  readonly side: "SIDE_BUY" | "SIDE_SELL";
  readonly average: string;
}

/** A price that is none: the event is rejected. */
export class NoPrice extends Error {}

/** A saved state that this version cannot read. */
export class UnreadableState extends Error {}

/** An average that is not divided yet, so that nothing is rounded. */
interface Average {
  readonly sum: bigint;
  readonly count: bigint;
}

class History {
  /** As quoted, oldest first. */
  readonly prices: string[] = [];
  /** Of all prices, in units of 10^-10. */
  sum = 0n;

  constructor(
    prices: readonly string[],
    /** Fell below the band and is not back yet. */
    public fallen: boolean,
    window: number,
  ) {
    for (const price of prices) {
      this.push(price, units(price));
    }
    this.shorten(window);
  }

  push(price: string, value: bigint): void {
    this.prices.push(price);
    this.sum += value;
  }

  shorten(window: number): void {
    for (const gone of this.prices.splice(0, Math.max(0, this.prices.length - window))) {
      this.sum -= units(gone);
    }
  }
}

/** One account's algorithm. */
export class MeanReversion {
  /** The one quoted last stands last. */
  private readonly histories = new Map<string, History>();

  constructor(
    private parameters: Parameters,
    state: Buffer,
  ) {
    if (state.length > 0) {
      for (const [sid, saved] of parseState(state)) {
        this.histories.set(sid, new History(saved.prices, saved.fallen, parameters.window));
      }
    }
  }

  /** One quote, and the indicators that came with it. */
  quote(sid: string, price: string, indicators: Indicators = new Map()): Wish | undefined {
    const value = parsePrice(price);
    if (value === undefined) {
      throw new NoPrice(`price ${JSON.stringify(price)} of ${sid} is no positive decimal`);
    }
    const history = this.history(sid);
    const wish = this.wish(history, value, this.average(history, indicators));
    history.push(price, value);
    history.shorten(this.parameters.window);
    return wish;
  }

  /** From here on with other parameters. The prices that are there stay, as far as the window reaches. */
  reconfigure(parameters: Parameters): void {
    this.parameters = parameters;
    for (const history of this.histories.values()) {
      history.shorten(parameters.window);
    }
  }

  /** What a restart needs to go on as if nothing had been. */
  save(): Buffer {
    const symbols = Array.from(this.histories, ([sid, { prices, fallen }]) => ({ sid, fallen, prices }));
    return Buffer.from(JSON.stringify({ symbols }));
  }

  /** The average as a sum and a count; undefined where there is none yet. */
  private average(history: History, indicators: Indicators): Average | undefined {
    if (this.parameters.average !== undefined) {
      const published = indicators.get(this.parameters.average)?.get("value");
      return published === undefined ? undefined : { sum: published, count: 1n };
    }
    const { prices, sum } = history;
    return prices.length < this.parameters.window ? undefined : { sum, count: BigInt(prices.length) };
  }

  private wish(history: History, price: bigint, average: Average | undefined): Wish | undefined {
    if (average === undefined) {
      return undefined;
    }
    const { sum, count } = average;
    // Both sides of `price < average x (1 - band)` times the count, so that nothing is divided and nothing rounded.
    const share = BASIS_POINTS - BigInt(this.parameters.bandBasisPoints);
    if (!history.fallen && price * count * BASIS_POINTS < sum * share) {
      history.fallen = true;
      return { side: "SIDE_BUY", average: formatPrice(sum / count) };
    }
    if (history.fallen && price * count >= sum) {
      history.fallen = false;
      return { side: "SIDE_SELL", average: formatPrice(sum / count) };
    }
    return undefined;
  }

  private history(sid: string): History {
    const history = this.histories.get(sid) ?? new History([], false, this.parameters.window);
    this.histories.delete(sid);
    this.histories.set(sid, history);
    for (const longestAgo of this.histories.keys()) {
      if (this.histories.size <= MOST_SYMBOLS) {
        break;
      }
      this.histories.delete(longestAgo);
    }
    return history;
  }
}

function units(price: string): bigint {
  const value = parsePrice(price);
  if (value === undefined) {
    throw new UnreadableState(`the saved state has ${JSON.stringify(price)} for a price`);
  }
  return value;
}

interface Saved {
  readonly prices: string[];
  readonly fallen: boolean;
}

function parseState(state: Buffer): [string, Saved][] {
  let value: unknown;
  try {
    value = JSON.parse(state.toString("utf8"));
  } catch {
    throw new UnreadableState("the saved state is not JSON");
  }
  const symbols: unknown = isObject(value) ? value["symbols"] : undefined;
  if (!Array.isArray(symbols)) {
    throw new UnreadableState("the saved state has no symbols");
  }
  return symbols.map((symbol: unknown) => {
    const { sid, prices, fallen } = isObject(symbol) ? symbol : {};
    if (typeof sid !== "string" || typeof fallen !== "boolean" || !isTexts(prices)) {
      throw new UnreadableState("the saved state has a symbol without sid, fallen or prices");
    }
    return [sid, { prices, fallen }];
  });
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
