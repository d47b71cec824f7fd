import assert from "node:assert/strict";
import { test } from "node:test";

import { MeanReversion, MOST_SYMBOLS, UnreadableState } from "../src/algorithm.js";
import { readParameters, Refused } from "../src/parameters.js";

const NOTHING = Buffer.alloc(0);
const TWO = { window: 2, bandBasisPoints: 1_000 };

function sides(algorithm: MeanReversion, prices: readonly string[], sid = "GOOG"): (string | undefined)[] {
  return prices.map((price) => algorithm.quote(sid, price)?.side);
}

test("it buys below the band, sells back at the average, and each once", () => {
  // Averages of the two before: -, -, 10, 9.5 ...; 10 % below 10 is 9: not below 9 is not below the band.
  const prices = ["10", "10", "9", "8.5499999999", "5", "6.7749999999", "6.7749999999", "7"];
  //                               9.5 -> 8.55       still   6.77499999995    5.88749...     6.7749999999
  assert.deepEqual(sides(new MeanReversion(TWO, NOTHING), prices), [
    undefined, undefined, undefined, "SIDE_BUY", undefined, undefined, "SIDE_SELL", undefined,
  ]);
});

test("the last of ten places decides at prices equal in a binary float", () => {
  const prices = ["999999999999.9999999999", "999999999999.9999999999"];
  const band = { window: 2, bandBasisPoints: 1 };
  // 99.99 % of it is 999899999999.99999999990001.
  assert.equal(sides(new MeanReversion(band, NOTHING), [...prices, "999900000000"]).at(-1), undefined);
  assert.equal(sides(new MeanReversion(band, NOTHING), [...prices, "999899999999.9999999999"]).at(-1), "SIDE_BUY");
});

test("symbols do not mix", () => {
  const algorithm = new MeanReversion(TWO, NOTHING);
  sides(algorithm, ["10", "10"]);
  assert.deepEqual(sides(algorithm, ["1"], "AAPL"), [undefined]);
  assert.deepEqual(sides(algorithm, ["1"]), ["SIDE_BUY"]);
});

test("a published average takes the place of its own, and a quote without it trades nothing", () => {
  const algorithm = new MeanReversion({ ...TWO, average: "sma-3" }, NOTHING);
  const values = (value: bigint) => new Map([["sma-3", new Map([["value", value]])]]);
  const ten = values(10n * 10n ** 10n);
  const wishes = [
    algorithm.quote("GOOG", "8"),
    algorithm.quote("GOOG", "9", ten),
    algorithm.quote("GOOG", "8.9999999999", ten),
    algorithm.quote("GOOG", "11"),
    algorithm.quote("GOOG", "11", new Map([["sma-3", new Map([["line", 1n]])]])),
    algorithm.quote("GOOG", "11", values(11n * 10n ** 10n + 1n)),
    algorithm.quote("GOOG", "11", values(11n * 10n ** 10n)),
  ];
  const buy = { side: "SIDE_BUY", average: "10" };
  const sell = { side: "SIDE_SELL", average: "11" };
  assert.deepEqual(wishes, [undefined, undefined, buy, undefined, undefined, undefined, sell]);
});

test("a restart in between changes nothing", () => {
  const prices = ["10", "11", "8", "7", "9", "12", "9", "5", "5", "5.1", "8", "3"];
  const whole = sides(new MeanReversion(TWO, NOTHING), prices);
  assert.ok(whole.includes("SIDE_BUY") && whole.includes("SIDE_SELL"));
  for (const cut of prices.keys()) {
    const first = new MeanReversion(TWO, NOTHING);
    const before = sides(first, prices.slice(0, cut));
    const second = new MeanReversion(TWO, first.save());
    assert.deepEqual([...before, ...sides(second, prices.slice(cut))], whole, `cut at ${cut}`);
  }
});

test("a shorter window goes on with the prices that are there", () => {
  const algorithm = new MeanReversion({ window: 3, bandBasisPoints: 1_000 }, NOTHING);
  sides(algorithm, ["20", "10", "10"]);
  algorithm.reconfigure(TWO);
  assert.deepEqual(sides(algorithm, ["9.5", "8"]), [undefined, "SIDE_BUY"]);
});

test("the state stays below its limit by forgetting the oldest symbol", () => {
  const window = 200;
  const longest = "999999999999.9999999999";
  const algorithm = new MeanReversion({ window, bandBasisPoints: 1 }, NOTHING);
  for (let symbol = 0; symbol <= MOST_SYMBOLS; symbol += 1) {
    for (let count = 0; count < window; count += 1) {
      algorithm.quote(`${symbol}`.padStart(64, "x"), longest);
    }
    // Quoted again and again, so that it is never the one.
    algorithm.quote("0".padStart(64, "x"), longest);
  }
  const state = algorithm.save();
  assert.ok(state.length < 1_048_576, `${state.length} bytes`);
  const kept = new MeanReversion({ window, bandBasisPoints: 1 }, state);
  assert.equal(kept.quote("0".padStart(64, "x"), "1")?.side, "SIDE_BUY");
  assert.equal(kept.quote("1".padStart(64, "x"), "1"), undefined);
});

test("a state that it did not save is an error, and no empty start", () => {
  const states = ["{", "[]", '{"symbols":{}}', '{"symbols":[{"sid":"A"}]}', '{"symbols":[{"sid":"A","fallen":true,"prices":["x"]}]}'];
  for (const state of states) {
    assert.throws(() => new MeanReversion(TWO, Buffer.from(state)), UnreadableState, state);
  }
});

test("parameters have defaults, and the threshold is passed over", () => {
  assert.deepEqual(readParameters('{"threshold":0.5}'), { window: 20, bandBasisPoints: 200 });
  assert.deepEqual(readParameters('{"window":2,"bandBasisPoints":1000}'), TWO);
  assert.equal(readParameters('{"average":"sma-20"}').average, "sma-20");
});

test("parameters that make no sense are refused by their names, all at once", () => {
  for (const [json, reason] of [
    ['{"window":1}', /^window must be an integer from 2 to 200, is 1$/],
    ['{"window":"20"}', /^window must be .* is "20"$/],
    ['{"window":null}', /^window must be .* is null$/],
    ['{"window":2.5,"bandBasisPoints":0,"fast":1}', /^window must .*; bandBasisPoints must .*; fast is unknown, there are window, bandBasisPoints, average$/],
    ['{"average":"SMA"}', /^average must be the name of an indicator, such as "sma-20", is "SMA"$/],
    ['{"average":null}', /^average must be the name of an indicator, .*, is null$/],
    ['{"__proto__":1}', /^__proto__ is unknown/],
    ["[]", /one JSON object/],
    ["", /not JSON/],
  ] as const) {
    assert.throws(() => readParameters(json), (error) => error instanceof Refused && reason.test(error.message), json);
  }
});
