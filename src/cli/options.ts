import { Option } from '@commander-js/extra-typings';

import { EXECUTORS } from '../domain/executor.ts';

/** The options that commands share: one wording, one place. Each call makes one, as a command owns its options. */
export const jsonOption = () => new Option('--json', 'print JSON for programs');
export const configOption = () =>
  new Option('--config <file>', 'configuration file (default: refill.config.* in . or .refill/)');
export const clusterOption = (what = 'cluster of the tenant, where several have one of this name') =>
  new Option('--cluster <name>', what);
/** Values of an option that can be repeated, and each time be a list with commas. */
const listOf = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  ...value.split(','),
];
export const clustersOption = (of = 'the tenants') =>
  new Option('--cluster <names>', `${of} of a cluster, or of several (repeated, or with commas)`).argParser(listOf);
export const allOption = () => new Option('--all', 'the tenants of every cluster');
export const excludeOption = () =>
  new Option('--exclude <tenants>', 'tenants to leave out (repeated, or with commas)').argParser(listOf);
export const priorityOption = () =>
  new Option(
    '--priority <tenant=number>',
    'a tenant that goes before those with a lower number (default: 0)',
  ).argParser(listOf);
export const confirmRowsOption = () =>
  new Option('--confirm-rows <number>', 'the rows that the plan deletes, where they are more than limits.blastRows');
export const executorOption = () =>
  new Option('--executor <name>', 'what does the steps: this program, or workers of a Temporal server').choices(
    EXECUTORS,
  );
export const datasetOption = () => new Option('--dataset <name>', 'dataset (default: the first of the configuration)');
export const tablesOption = () => new Option('--tables <names>', 'tables of the dataset, separated by commas');
export const onlyOption = () =>
  new Option('--only <subset>', 'only this part of the dataset: conversation or process, of scorecards');
export const idsOption = () =>
  new Option('--ids <ids>', 'only these scorecards, separated by commas, in place of a range');
export const fromOption = () => new Option('--from <time>', 'begin of the range: a UTC day, or an instant with a zone');
export const toOption = () => new Option('--to <time>', 'end of the range, itself not part of it');
export const strategyOption = () =>
  new Option('--strategy <name>', 'purge or replace (default: replace where every table has a version column)').choices(
    ['purge', 'replace'] as const,
  );
export const dependentOption = () =>
  new Option(
    '--dependent <name=action>',
    'what to do about a view that the run would damage: leave, bypass or rebuild (repeated, or with commas)',
  ).argParser(listOf);
export const dirOption = () =>
  new Option('--dir <directory>', 'directory of the servers and their data').default('.refill');
export const seedOption = () => new Option('--seed <number>', 'seed of the sample data (default: always the same)');

/** What `--cluster` and `--dataset` add to a request; what was not given is left out. */
export function where(options: { readonly cluster?: string | undefined; readonly dataset?: string | undefined }): {
  readonly cluster?: string;
  readonly dataset?: string;
} {
  return {
    ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
    ...(options.dataset === undefined ? {} : { dataset: options.dataset }),
  };
}

/** Examples under a command's help: command lines with what they do. */
export function examples(lines: readonly (readonly [command: string, what: string])[]): string {
  return ['', 'Examples:', ...lines.flatMap(([command, what]) => [`  $ ${command}`, `      ${what}`])].join('\n');
}
