/** The layers of src/, as CONTRIBUTING.md draws them: who may import whom. Checked by `npm run layers`. */
const layers = {
  domain: [],
  dataset: ['domain'],
  config: ['domain', 'dataset'],
  postgres: ['domain'],
  source: ['domain', 'config', 'postgres'],
  target: ['domain', 'dataset', 'config'],
  ledger: ['domain', 'config', 'postgres'],
  scorers: ['domain', 'config'],
  reindexers: ['domain', 'config'],
  flow: ['domain'],
  steps: ['domain', 'dataset', 'config', 'postgres', 'source', 'target', 'ledger', 'flow'],
  executors: ['domain', 'ledger', 'flow', 'steps'],
  embedded: ['domain', 'postgres'],
};

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'nothing-imports-the-cli', severity: 'error', from: { pathNot: '^src/cli' }, to: { path: '^src/cli' } },
    {
      name: 'the-library-does-not-import-embedded-servers',
      severity: 'error',
      from: { pathNot: '^src/(cli|embedded)' },
      to: { path: '^src/embedded' },
    },
    {
      name: 'reports-are-pure',
      severity: 'error',
      from: { path: '^src/report' },
      to: { path: '^src/', pathNot: '^src/(report|domain|refill\\.ts|ledger/ledger\\.ts)' },
    },
    {
      // A worker replays workflows: what is not in their bundle, or not deterministic, must not get into them.
      name: 'workflows-import-only-what-replays',
      severity: 'error',
      from: { path: '^src/executors/temporal/(workflows|shared)/' },
      to: {
        pathNot:
          '^src/(domain|flow|executors/temporal/(workflows|shared))/|^node_modules/@temporalio/(workflow|common)/',
      },
    },
    ...Object.entries(layers).map(([layer, allowed]) => ({
      name: `${layer}-imports-only-${allowed.length > 0 ? allowed.join('-') : 'itself'}`,
      severity: 'error',
      from: { path: `^src/${layer}/` },
      to: { path: '^src/', pathNot: `^src/(${[layer, ...allowed].join('|')})/` },
    })),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.(js|d\\.ts)$' },
  },
};
