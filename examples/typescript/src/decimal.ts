// Prices as integers. The contract carries decimals as text; a binary float would not hold them.

const PLACES = 10;
const UNITS = /^(\d{1,28})(?:\.(\d{1,8}))?$/;
const VALUE = /^(-?)(\d{1,16})(?:\.(\d{1,10}))?$/;
const PRICE = /^(\d{1,12})(?:\.(\d{1,10}))?$/;

/** A price in units of 10^-10; undefined where the text is no price of the contract. */
export function parsePrice(text: string): bigint | undefined {
  const [, whole, part = ""] = PRICE.exec(text) ?? [];
  if (whole === undefined) {
    return undefined;
  }
  const units = BigInt(whole + part.padEnd(PLACES, "0"));
  return units > 0n ? units : undefined;
}

/** A size or a volume in units of 10^-8; undefined where the text is none of the contract. */
export function parseUnits(text: string): bigint | undefined {
  const [, whole, part = ""] = UNITS.exec(text) ?? [];
  return whole === undefined ? undefined : BigInt(whole + part.padEnd(8, "0"));
}

/** A value of an indicator in units of 10^-10; undefined where the text is none of the contract. */
export function parseValue(text: string): bigint | undefined {
  const [, sign, whole, part = ""] = VALUE.exec(text) ?? [];
  return whole === undefined ? undefined : BigInt(whole + part.padEnd(PLACES, "0")) * (sign === "-" ? -1n : 1n);
}

/** Units of 10^-10 as text, without padding. */
export function formatPrice(units: bigint): string {
  if (units < 0n) {
    return `-${formatPrice(-units)}`;
  }
  const digits = units.toString().padStart(PLACES + 1, "0");
  const part = digits.slice(-PLACES).replace(/0+$/, "");
  return digits.slice(0, -PLACES) + (part === "" ? "" : `.${part}`);
}
