import assert from "node:assert/strict";
import { test } from "node:test";

import { status } from "@grpc/grpc-js";

import { sides, start, Stream, unary } from "./harness.js";

const TWO = { window: 2, bandBasisPoints: 1_000, threshold: 0.5 };

test("it describes itself, with a schema of its parameters", async (t) => {
  const { client } = await start(t);
  const description = await unary(client.Describe.bind(client, {}));
  assert.equal(description.name, "mean-reversion");
  assert.equal(description.contract, "intuition.v1");
  assert.match(description.version, /^\d+\.\d+\.\d+$/);
  const schema = JSON.parse(description.parameters_schema_json) as { properties: object };
  assert.deepEqual(Object.keys(schema.properties), ["window", "bandBasisPoints", "average"]);
});

test("a stream initializes, answers each event, and ends with OK", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  assert.deepEqual((await stream.initialize(TWO)).initialized, { channels: ["quotes"], refusal: "" });
  const result = await stream.quotes("GOOG", "10", "10", "8", "9");
  assert.equal(result.number, "1");
  assert.deepEqual(result.results, [
    { event: "1", signals: [], reject: "" },
    { event: "2", signals: [], reject: "" },
    { event: "3", signals: [{ event: "3", side: "SIDE_BUY", quantity: "" }], reject: "" },
    { event: "4", signals: [{ event: "4", side: "SIDE_SELL", quantity: "" }], reject: "" },
  ]);
  assert.deepEqual(
    result.publications.map(({ channel, payload }) => [channel, JSON.parse(payload.toString())]),
    [
      ["crossings", { sid: "GOOG", price: "8", average: "10", side: "SIDE_BUY" }],
      ["crossings", { sid: "GOOG", price: "9", average: "9", side: "SIDE_SELL" }],
    ],
  );
  stream.halfClose();
  assert.equal((await stream.ended).code, status.OK);
});

test("a crossing has the spread where the quote has bid and ask", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize(TWO);
  const book = { bid: "7.90", ask: "8.05", size: "0", volume: "9999999999999999999999999999.99999999", interval_micros: "60000000" };
  const prices = [{ price: "10" }, { price: "10", bid: "9" }, { price: "8", ...book }, { price: "10", bid: "10.01", ask: "9.99" }];
  const events = prices.map((quote, index) => ({ event: `${index + 1}`, quote: { sid: "GOOG", ...quote } }));
  const { result } = await stream.ask({ batch: { number: "1", events } });
  const told = result?.publications.map(({ payload }) => (JSON.parse(payload.toString()) as { spread?: string }).spread);
  assert.deepEqual(told, ["0.15", "-0.02"]);
});

test("a quote with a value that is none is rejected", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize(TWO);
  const events = [{ event: "1", quote: { sid: "GOOG", price: "10", volume: "-1" } }];
  const { result } = await stream.ask({ batch: { number: "1", events } });
  assert.equal(result?.results[0]?.reject, 'volume "-1" of GOOG is no decimal of the contract');
});

function indicator(event: number, sid: string, value: string) {
  return { event, indicator: { name: "sma-20", sid, values: [{ name: "value", value }], time_micros: 0 } };
}

test("a quote is decided with the values in front of it, which have results without signals", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize({ ...TWO, average: "sma-20" });
  const quote = (event: number, sid: string) => ({ event, quote: { sid, price: "8" } });
  const events = [
    indicator(1, "GOOG", "8.8"),
    quote(2, "GOOG"),
    quote(3, "GOOG"),
    indicator(4, "GOOG", "10"),
    { event: 5 },
    quote(6, "GOOG"),
    // About another symbol, so that it belongs to no quote.
    indicator(7, "AAPL", "10"),
    quote(8, "MSFT"),
    quote(9, "AAPL"),
    indicator(10, "AAPL", "10"),
  ];
  const { result } = await stream.ask({ batch: { number: 1, events } });
  assert.deepEqual(result?.results.map(({ event, signals, reject }) => [event, signals[0]?.side, reject]), [
    ["1", undefined, ""],
    ["2", undefined, ""],
    ["3", undefined, ""],
    ["4", undefined, ""],
    ["5", undefined, ""],
    ["6", "SIDE_BUY", ""],
    ["7", undefined, ""],
    ["8", undefined, ""],
    ["9", undefined, ""],
    ["10", undefined, ""],
  ]);
  // Values do not wait for the quotes of the next batch.
  const next = await stream.ask({ batch: { number: 2, events: [quote(11, "AAPL")] } });
  assert.deepEqual(next.result && sides(next.result), [undefined]);
});

test("batches of indicators alone leave the state as it is", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize(TWO);
  const { result } = await stream.ask({ batch: { number: 1, events: [indicator(1, "GOOG", "-0.5")] } });
  assert.deepEqual(result?.results, [{ event: "1", signals: [], reject: "" }]);
  assert.equal(result.state, undefined);
});

test("a quote with a value of an indicator that is none is rejected", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize(TWO);
  const events = [indicator(1, "GOOG", "high"), { event: 2, quote: { sid: "GOOG", price: "8" } }];
  const { result } = await stream.ask({ batch: { number: 1, events } });
  assert.deepEqual(result?.results.map(({ reject }) => reject), ["", 'sma-20.value "high" of GOOG is no decimal of the contract']);
});

test("answers keep the order of messages that were sent without waiting", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize(TWO);
  const numbers = Array.from({ length: 500 }, (_, index) => `${index + 1}`);
  for (const number of numbers) {
    stream.write({ batch: { number, events: [{ event: number, quote: { sid: "GOOG", price: number } }] } });
  }
  stream.halfClose();
  for (const number of numbers) {
    const { result } = await stream.read();
    assert.equal(result?.number, number);
    assert.equal(result.results[0]?.event, number);
  }
  assert.equal((await stream.ended).code, status.OK);
});

test("numbers beyond the range of a JavaScript number come back unchanged", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize(TWO);
  const large = "18446744073709551615";
  const { result } = await stream.ask({ batch: { number: large, events: [{ event: large, quote: { sid: "A", price: "1" } }] } });
  assert.equal(result?.number, large);
  assert.equal(result.results[0]?.event, large);
});

test("a state goes on in a stream opened later", async (t) => {
  const { client } = await start(t);
  const first = new Stream(client);
  await first.initialize(TWO);
  const { state } = await first.quotes("GOOG", "10", "10");
  first.cancel();
  const second = new Stream(client);
  await second.initialize(TWO, state);
  assert.deepEqual(sides(await second.quotes("GOOG", "8")), ["SIDE_BUY"]);
});

test("streams know nothing of each other", async (t) => {
  const { client } = await start(t);
  const streams = Array.from({ length: 20 }, () => new Stream(client));
  await Promise.all(streams.map((stream) => stream.initialize(TWO)));
  await Promise.all(streams.map((stream, index) => stream.quotes("GOOG", "10", index % 2 === 0 ? "10" : "1")));
  const results = await Promise.all(streams.map((stream) => stream.quotes("GOOG", "5")));
  // 5 is far below the average of 10 and 10, and not below that of 10 and 1.
  assert.deepEqual(results.map(sides), streams.map((_, index) => [index % 2 === 0 ? "SIDE_BUY" : undefined]));
});

test("new parameters apply from the next batch, refused ones leave the old", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize({ ...TWO, bandBasisPoints: 5_000 });
  const refused = await stream.ask({ reconfigure: { parameters_json: '{"window":0}' } });
  assert.match(refused.reconfigured?.refusal ?? "", /^window must be/);
  assert.deepEqual(sides(await stream.quotes("GOOG", "10", "10", "8", "9")), [undefined, undefined, undefined, undefined]);
  const accepted = await stream.ask({ reconfigure: { parameters_json: JSON.stringify(TWO) } });
  assert.deepEqual(accepted.reconfigured, { channels: [], refusal: "" });
  assert.deepEqual(sides(await stream.quotes("GOOG", "7")), ["SIDE_BUY"]);
});

test("refused parameters are named, on a stream and in a single call", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  const { initialized } = await stream.initialize({ window: 1 });
  assert.match(initialized?.refusal ?? "", /^window must be an integer/);
  assert.deepEqual(initialized?.channels, []);
  const request = { account: "default/a", parameters_json: '{"window":1}' };
  await assert.rejects(unary(client.Initialize.bind(client, request)), { code: status.INVALID_ARGUMENT, details: /^window/ });
});

test("an unknown event is passed over, an unusable price is rejected", async (t) => {
  const { client } = await start(t);
  const stream = new Stream(client);
  await stream.initialize(TWO);
  const { result: unknown } = await stream.ask({ batch: { number: 1, events: [{ event: 1 }] } });
  assert.deepEqual(unknown?.results, [{ event: "1", signals: [], reject: "" }]);
  assert.equal(unknown.state, undefined);
  const rejected = await stream.quotes("GOOG", "1e3");
  assert.match(rejected.results[0]?.reject ?? "", /"1e3" of GOOG/);
});

test("a message out of turn ends the stream with the reason", async (t) => {
  const { client } = await start(t);
  const early = new Stream(client);
  early.write({ batch: { number: 1, events: [] } });
  assert.equal((await early.ended).code, status.FAILED_PRECONDITION);
  const twice = new Stream(client);
  await twice.initialize(TWO);
  twice.write({ initialize: { account: "default/a", parameters_json: "{}" } });
  assert.match((await twice.ended).details, /comes once/);
  const empty = new Stream(client);
  await empty.initialize(TWO);
  empty.write({});
  assert.equal((await empty.ended).code, status.INVALID_ARGUMENT);
  const foreign = new Stream(client);
  foreign.write({ initialize: { account: "default/a", parameters_json: "{}", state: Buffer.from("rubbish") } });
  assert.match((await foreign.ended).details, /saved state/);
});

test("a cancelled stream leaves the others and the server alone", async (t) => {
  const { client } = await start(t);
  const [gone, staying] = [new Stream(client), new Stream(client)];
  await Promise.all([gone.initialize(TWO), staying.initialize(TWO)]);
  gone.cancel();
  assert.equal((await gone.ended).code, status.CANCELLED);
  assert.equal((await staying.quotes("GOOG", "1")).number, "1");
  assert.equal((await unary(client.Describe.bind(client, {}))).name, "mean-reversion");
});

test("single calls carry parameters and state in and the new state out", async (t) => {
  const { client } = await start(t);
  const common = { account: "default/a", parameters_json: JSON.stringify(TWO) };
  const { channels } = await unary(client.Initialize.bind(client, common));
  assert.deepEqual(channels, ["quotes"]);
  let state: Buffer | undefined;
  const signals: (string | undefined)[] = [];
  for (const [index, price] of ["10", "10", "8"].entries()) {
    const event = { event: index + 1, quote: { sid: "GOOG", price } };
    const answer = await unary(client.Event.bind(client, { ...common, event, ...(state && { state }) }));
    state = answer.state;
    signals.push(answer.result?.signals[0]?.side);
  }
  assert.deepEqual(signals, [undefined, undefined, "SIDE_BUY"]);
  await assert.rejects(unary(client.Event.bind(client, common)), { code: status.INVALID_ARGUMENT, details: "event is missing" });
});
