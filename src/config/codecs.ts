import type { PayloadCodec } from '@temporalio/common';
import { RefillError } from '../domain/errors.ts';
import { importModule } from './module.ts';

/** The payload codecs that a module exports by default. Throws `CONFIG_INVALID`. */
export async function loadCodecs(file: string): Promise<readonly PayloadCodec[]> {
  const loaded = await importModule(file);
  if (!('value' in loaded)) throw wrong(file, loaded.message);
  const { value } = loaded;
  if (!Array.isArray(value) || !value.every(isCodec)) throw wrong(file, 'expected a list of { encode, decode }');
  return value;
}

function wrong(file: string, message: string): RefillError {
  return new RefillError('CONFIG_INVALID', `codec, ${file}: ${message}`);
}

function isCodec(value: unknown): value is PayloadCodec {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'encode' in value && typeof value.encode === 'function' && 'decode' in value && typeof value.decode === 'function'
  );
}
