// The values of indicators. They come as events in front of the quote that includes them, in the same batch.

import { parseValue } from "./decimal.js";
import { NoDetail } from "./details.js";
import type { Indicator__Output } from "./generated/intuition/v1/Indicator.js";

/** Values in units of 10^-10, by indicator and name: `value` of an average, `line` or `signal` of a MACD. */
export type Indicators = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

/** Indicators of a batch that no quote has come for yet. */
export class Waiting {
  private events: Indicator__Output[] = [];

  push(event: Indicator__Output): void {
    this.events.push(event);
  }

  /** The indicators of the quote that comes now. Those about another symbol belong to no quote. */
  take(sid: string): Indicators {
    const events = this.events.filter((event) => event.sid === sid);
    this.events = [];
    return new Map(events.map((event) => [event.name, read(event)]));
  }
}

function read({ name, sid, values }: Indicator__Output): ReadonlyMap<string, bigint> {
  return new Map(
    values.map(({ name: part, value: text }) => {
      const value = parseValue(text);
      if (value === undefined) {
        throw new NoDetail(`${name}.${part} ${JSON.stringify(text)} of ${sid} is no decimal of the contract`);
      }
      return [part, value];
    }),
  );
}
