import { RefillError } from '../../../domain/errors.ts';
import type { Instant } from '../../../domain/words.ts';

/** The version of all payloads. It is raised when an older worker would misunderstand a newer payload. */
export const PAYLOAD_VERSION = 1;

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/u;

/**
 * Reads a payload field by field. By hand, as zod would be most of the workflows' bundle. What is wrong is a
 * `PAYLOAD_INVALID` that names the field, and does not repeat the value.
 */
export class Fields {
  readonly #what: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(what: string, payload: unknown) {
    this.#what = what;
    if (!isJsonObject(payload))
      throw new RefillError('PAYLOAD_INVALID', `the payload of ${what}: expected a JSON object, got ${kind(payload)}`, {
        details: { field: '' },
      });
    this.#fields = { ...payload };
    const { v } = this.#fields;
    if (v !== PAYLOAD_VERSION) {
      const found = typeof v === 'number' ? `${v}` : kind(v);
      throw this.wrong('v', `expected version ${PAYLOAD_VERSION}, which is all that this worker knows; got ${found}`);
    }
  }

  wrong(field: string, message: string): RefillError {
    return new RefillError('PAYLOAD_INVALID', `the payload of ${this.#what}: \`${field}\`: ${message}`, {
      details: { field },
    });
  }

  /** A text that is not empty. */
  text(field: string): string {
    const value = this.#fields[field];
    if (typeof value === 'string' && value !== '') return value;
    throw this.wrong(field, `expected a text, got ${value === '' ? 'an empty one' : kind(value)}`);
  }

  optionalText(field: string): string | null {
    return this.#absent(field) ? null : this.text(field);
  }

  instant(field: string): Instant {
    const text = this.text(field);
    if (!INSTANT.test(text) || Number.isNaN(Date.parse(text)))
      throw this.wrong(field, 'expected an instant as RFC 3339 has it, with a zone, such as 2026-01-05T00:00:00Z');
    return new Date(text).toISOString();
  }

  whole(field: string, min: number): number {
    const value = this.#fields[field];
    if (typeof value === 'number' && Number.isInteger(value) && value >= min) return value;
    throw this.wrong(field, `expected a whole number from ${min}, got ${kind(value)}`);
  }

  optionalWhole(field: string, min: number, fallback: number): number {
    return this.#absent(field) ? fallback : this.whole(field, min);
  }

  /** Seconds and the like. */
  optionalAmount(field: string): number {
    if (this.#absent(field)) return 0;
    const value = this.#fields[field];
    if (typeof value === 'number' && value >= 0) return value;
    throw this.wrong(field, `expected a number from 0, got ${kind(value)}`);
  }

  /** Whole numbers from 0, by name. */
  optionalNumbers(field: string): Readonly<Record<string, number>> {
    if (this.#absent(field)) return {};
    const value = this.#fields[field];
    const numbers = isJsonObject(value) ? Object.entries(value) : [];
    if (isJsonObject(value) && numbers.every(([, number]) => Number.isInteger(number) && number >= 0))
      return Object.fromEntries(numbers);
    throw this.wrong(field, `expected whole numbers by name, got ${kind(value)}`);
  }

  flag(field: string): boolean {
    if (this.#absent(field)) return false;
    const value = this.#fields[field];
    if (typeof value === 'boolean') return value;
    throw this.wrong(field, `expected true or false, got ${kind(value)}`);
  }

  oneOf<const T extends string>(field: string, values: readonly T[], fallback?: T): T {
    if (fallback !== undefined && this.#absent(field)) return fallback;
    const value = this.#fields[field];
    const found = values.find((one) => one === value);
    if (found === undefined) throw this.wrong(field, `expected one of ${values.join(', ')}`);
    return found;
  }

  #absent(field: string): boolean {
    return this.#fields[field] === undefined || this.#fields[field] === null;
  }
}

/** What stands for a payload that could not be read, as its JSON is broken or its encoding unknown. */
export const UNREADABLE = 'refill: a payload that cannot be read';

export function isJsonObject(value: unknown): value is object {
  return typeof value === 'object' && kind(value) === 'an object';
}

function kind(value: unknown): string {
  if (value === UNREADABLE) return 'what is no JSON';
  if (ArrayBuffer.isView(value)) return 'bytes';
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
