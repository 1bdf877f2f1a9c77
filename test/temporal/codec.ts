import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Makes a module with a codec that encrypts, and returns its path. */
export async function codecFile(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'refill-codec-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'codec.mjs');
  await writeFile(file, CODEC);
  return file;
}

const CODEC = `
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
const KEY = Buffer.alloc(32, 7);
const base64 = (bytes) => Buffer.from(bytes ?? []).toString('base64');
const seal = ({ metadata, data }) => {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', KEY, iv);
  const names = Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)]);
  const plain = JSON.stringify({ metadata: Object.fromEntries(names), data: base64(data) });
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return { metadata: { encoding: Buffer.from('binary/sealed') }, data: Buffer.concat([iv, cipher.getAuthTag(), sealed]) };
};
const open = (payload) => {
  if (Buffer.from(payload.metadata?.encoding ?? []).toString() !== 'binary/sealed') return payload;
  const bytes = Buffer.from(payload.data);
  const decipher = createDecipheriv('aes-256-gcm', KEY, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(12, 28));
  const { metadata, data } = JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]));
  const names = Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]);
  return { metadata: Object.fromEntries(names), data: Buffer.from(data, 'base64') };
};
export default [{ encode: async (all) => all.map(seal), decode: async (all) => all.map(open) }];
`;
