import { isAbsolute, relative } from 'node:path';
import type { z } from 'zod';
import { RefillError } from '../domain/errors.ts';
import { LITERAL_IN_ADDRESS, LITERAL_PASSWORD, safeKey } from './literals.ts';

/** The way to a value: keys, and places in lists. */
export type Path = readonly PropertyKey[];

/** A place in a file, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong, as `details.problems` of the error holds it. */
export interface Problem {
  /** `clusters.east.postgres.port`; empty where the file as a whole is meant. */
  readonly path: string;
  /** From 1; null where it is not known, as in TypeScript. */
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
}

/** One thing that is wrong, before its place in the file is looked up. */
export interface Finding {
  readonly path: Path;
  /** Of what the place is meant. Default: the value's. */
  readonly part?: 'key' | 'value';
  readonly message: string;
}

/** Where something stands in the file; null where that is not known. */
export type Locate = (path: Path, part: 'key' | 'value') => Position | null;

/** `clusters.east.tenants[1].customer`. A key that is no name is cut: it could hold a secret. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += `${text === '' ? '' : '.'}${safeKey(String(step))}`;
  }
  return text;
}

type Issue = z.core.$ZodIssue;

/** Of the branches of a union, the one whose kind of value was meant, if just one. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fitting = branches.filter((issues) =>
    issues.every(
      ({ code, path }) => path.length > 0 || !['invalid_type', 'invalid_value', 'invalid_union'].includes(code),
    ),
  );
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** zod's issues as findings: unions taken apart, and each unknown key by itself. */
export function findings(issues: readonly Issue[], prefix: Path = []): readonly Finding[] {
  return issues.flatMap((issue): readonly Finding[] => {
    const path = [...prefix, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, index) => ({ path: [...path, key], part: 'key', message: messages[index] ?? '' }));
    }
    if (issue.code === 'invalid_key') {
      return issue.issues.map(({ message }) => ({ path, part: 'key', message }));
    }
    if (issue.code === 'invalid_union') {
      const branch = meantBranch(issue.errors);
      if (branch !== undefined) return findings(branch, path);
    }
    return [{ path, message: issue.message }];
  });
}

/** Findings as problems, each once, in the file's order where it is known. */
export function problems(found: readonly Finding[], locate: Locate): readonly Problem[] {
  const seen = new Map<string, Problem>();
  for (const { path, part = 'value', message } of found) {
    const { line, column } = locate(path, part) ?? { line: null, column: null };
    const problem = { path: formatPath(path), line, column, message };
    const key = JSON.stringify(problem);
    if (!seen.has(key)) seen.set(key, problem);
  }
  return [...seen.values()].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** The file as a person would name it from where they are. */
export function shownFile(file: string, cwd: string): string {
  // What a program holds is no file, and has a name instead.
  if (!isAbsolute(file)) return file;
  const path = relative(cwd, file);
  return path === '' || path.startsWith('..') ? file : path;
}

function line(shown: string, { path, line, column, message }: Problem): string {
  const place = [shown, line, column].filter((part) => part !== null).join(':');
  return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`;
}

/** The error of a file with problems. It has no cause: a parser's own message can quote the file. */
export function configError(file: string, cwd: string, found: readonly Problem[]): RefillError {
  const shown = shownFile(file, cwd);
  const lines = found.map((problem) => line(shown, problem));
  const message =
    lines.length === 1 ? (lines[0] ?? shown) : `${shown} has ${lines.length} problems\n  ${lines.join('\n  ')}`;
  const literal = found.some(({ message }) => message === LITERAL_PASSWORD || message === LITERAL_IN_ADDRESS);
  return new RefillError(literal ? 'CONFIG_SECRET_LITERAL' : 'CONFIG_INVALID', message, {
    details: { file, problems: found },
  });
}
