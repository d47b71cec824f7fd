// The parameters: what they may be, and who may not have them.

/** What a manifest says under `spec.algorithm.parameters`. */
export interface Parameters {
  /** Quotes that the average is taken over. */
  readonly window: number;
  /** How far below the average a price has to fall, in hundredths of a percent. */
  readonly bandBasisPoints: number;
  /** Name of a published average that takes the place of that of the window, such as `sma-20`. */
  readonly average?: string;
}

interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
  readonly default: number;
  readonly description: string;
}

const WINDOW: Bounds = { minimum: 2, maximum: 200, default: 20, description: "quotes in the average" };
const BAND: Bounds = {
  minimum: 1,
  maximum: 9_999,
  default: 200,
  description: "how far below the average a price has to fall, in hundredths of a percent",
};
const AVERAGE = {
  pattern: "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$",
  description: "name of a published average that takes the place of that of the window; a quote without it trades nothing",
} as const;

/** For Describe. The runtime refuses by it what does not fit, before this program is asked. */
export const PARAMETERS_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    window: { type: "integer", ...WINDOW },
    bandBasisPoints: { type: "integer", ...BAND },
    average: { type: "string", ...AVERAGE },
  },
  additionalProperties: false,
} as const;

/** Parameters that are refused: everything that is wrong with them, in a sentence. */
export class Refused extends Error {}

/** Reads `parameters_json`. The threshold comes with the parameters; this algorithm has no use for it. */
export function readParameters(json: string): Parameters {
  const given = parseObject(json);
  const problems: string[] = [];
  const integer = (name: string, bounds: Bounds): number => {
    const value = Object.hasOwn(given, name) ? given[name] : bounds.default;
    if (typeof value === "number" && Number.isInteger(value) && value >= bounds.minimum && value <= bounds.maximum) {
      return value;
    }
    problems.push(`${name} must be an integer from ${bounds.minimum} to ${bounds.maximum}, is ${JSON.stringify(value)}`);
    return bounds.default;
  };
  const { average } = given;
  if (Object.hasOwn(given, "average") && !(typeof average === "string" && new RegExp(AVERAGE.pattern).test(average))) {
    problems.push(`average must be the name of an indicator, such as "sma-20", is ${JSON.stringify(average)}`);
  }
  const parameters = {
    window: integer("window", WINDOW),
    bandBasisPoints: integer("bandBasisPoints", BAND),
    ...(typeof average === "string" ? { average } : {}),
  };
  for (const name of Object.keys(given)) {
    if (name !== "threshold" && !Object.hasOwn(PARAMETERS_SCHEMA.properties, name)) {
      problems.push(`${name} is unknown, there are ${Object.keys(PARAMETERS_SCHEMA.properties).join(", ")}`);
    }
  }
  if (problems.length > 0) {
    throw new Refused(problems.join("; "));
  }
  return parameters;
}

function parseObject(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new Refused(`parameters_json is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(value)) {
    throw new Refused("parameters_json must be one JSON object");
  }
  return value;
}

/** Whether it is an object with members, and no array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
