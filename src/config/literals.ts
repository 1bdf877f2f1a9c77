/**
 * What must not stand in a configuration, and what is said of it. Without zod: secrets are resolved, and problems printed,
 * where no schema is needed.
 */

/** What is said of a password in clear, whatever form it has. Decides the error's code. */
export const LITERAL_PASSWORD =
  'a password must not stand here in clear (it is not repeated): write env:NAME, file:PATH or exec:COMMAND';
/** The same for one inside an address. */
export const LITERAL_IN_ADDRESS =
  'an address must not hold a password (it is not repeated): write `user` and `password` beside it, the password as ' +
  'env:NAME, file:PATH or exec:COMMAND';

/** The part of an unknown key that is surely a name. `password:x` without a space is one key, and holds the secret. */
export function safeKey(key: string): string {
  const name = /^[\p{L}\p{N}_$.-]*/u.exec(key)?.[0] ?? '';
  return name.length === key.length && key.length <= 64 && key !== '' ? key : `${name.slice(0, 64)}…`;
}

/** What is wrong with a reference to a secret; undefined where it is one. */
export function referenceProblem(value: string): string | undefined {
  const [, scheme, rest] = /^(env|file|exec):(.*)$/su.exec(value) ?? [];
  if (scheme === undefined || rest === undefined) return LITERAL_PASSWORD;
  if (rest.trim() === '') return `nothing stands after \`${scheme}:\``;
  if (scheme === 'env' && !/^[A-Za-z_][A-Za-z0-9_]*$/u.test(rest)) {
    return 'expected a variable’s name after `env:`: letters, digits and `_`, and no digit first';
  }
  // `exec:echo x` is a password in clear that the process list shows as well.
  if (scheme === 'exec' && /^\s*(?:echo|printf)\b[^$`|;&<]*$/u.test(rest)) return LITERAL_PASSWORD;
  return undefined;
}
