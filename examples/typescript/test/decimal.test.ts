import assert from "node:assert/strict";
import { test } from "node:test";

import { formatPrice, parsePrice, parseValue } from "../src/decimal.js";

test("a price is read exactly and printed without padding", () => {
  for (const [text, printed] of [
    ["345", "345"],
    ["3.45", "3.45"],
    ["100.3350", "100.335"],
    ["0.0000000001", "0.0000000001"],
    // A binary float would make 1000000000000 of it.
    ["999999999999.9999999999", "999999999999.9999999999"],
  ] as const) {
    const units = parsePrice(text);
    assert.ok(units !== undefined, text);
    assert.equal(formatPrice(units), printed);
  }
});

test("what is no positive decimal of the contract is no price", () => {
  for (const text of ["", "0", "0.00", "-1", "+1", "1e3", ".5", "5.", "1 ", "NaN", "1234567890123", "0.00000000001"]) {
    assert.equal(parsePrice(text), undefined, JSON.stringify(text));
  }
});

test("a value of an indicator has a sign and sixteen digits before the point", () => {
  for (const text of ["0", "-0.0000000001", "44.104", "-9999999999999999.9999999999"]) {
    const units = parseValue(text);
    assert.ok(units !== undefined, text);
    assert.equal(formatPrice(units), text);
  }
  for (const text of ["", "-", "+1", "1e3", ".5", "5.", "NaN", "12345678901234567", "0.00000000001"]) {
    assert.equal(parseValue(text), undefined, JSON.stringify(text));
  }
});
