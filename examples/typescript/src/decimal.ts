// Prices as integers. The contract carries decimals as text; a binary float would not hold them.

const PLACES = 10;
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

/** Units of 10^-10 as text, without padding. */
export function formatPrice(units: bigint): string {
  const digits = units.toString().padStart(PLACES + 1, "0");
  const part = digits.slice(-PLACES).replace(/0+$/, "");
  return digits.slice(0, -PLACES) + (part === "" ? "" : `.${part}`);
}
