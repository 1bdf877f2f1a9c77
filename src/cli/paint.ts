import { createColors } from 'picocolors';

/** Colours for one stream; each function returns its text unchanged where the stream has none. */
export type Paint = ReturnType<typeof createColors>;

/** Whether a stream shows colours: https://no-color.org, then FORCE_COLOR, then whether it is a terminal. */
export function hasColors(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  if (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '' && env['FORCE_COLOR'] !== '0') return true;
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

export function paint(colors: boolean): Paint {
  return createColors(colors);
}

/** For pages and tests. */
export const PLAIN: Paint = createColors(false);
