// The values of a quote beside its price. A publisher gives some of them or none, so that each may be absent.

import { parsePrice, parseUnits } from "./decimal.js";
import type { Quote__Output } from "./generated/intuition/v1/Quote.js";

const DECIMALS = { size: parseUnits, open: parsePrice, high: parsePrice, low: parsePrice, volume: parseUnits, bid: parsePrice, ask: parsePrice };

type Name = keyof typeof DECIMALS;

/** The values that are there: prices in units of 10^-10, size and volume in units of 10^-8, the interval in microseconds. */
export type Details = { [name in Name | "interval"]?: bigint };

/** A value that is none: the event is rejected. */
export class NoDetail extends Error {}

/** Reads the values of a quote exactly. */
export function readDetails(quote: Quote__Output): Details {
  const details: Details = {};
  for (const [name, parse] of Object.entries(DECIMALS) as [Name, typeof parsePrice][]) {
    const text = quote[name];
    if (text === undefined) {
      continue;
    }
    const value = parse(text);
    if (value === undefined) {
      throw new NoDetail(`${name} ${JSON.stringify(text)} of ${quote.sid} is no decimal of the contract`);
    }
    details[name] = value;
  }
  if (quote.interval_micros !== undefined) {
    details.interval = BigInt(quote.interval_micros);
  }
  return details;
}
