import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { Explanation, RunResult, VerifyResult } from '../domain/events.ts';
import type { Plan } from '../domain/plan.ts';
import { removeEmbedded, startEmbedded } from '../embedded/stack.ts';
import { duration } from '../report/format.ts';
import type { Refill } from '../refill.ts';
import type { Cli } from './cli.ts';
import { follow } from './follow.ts';
import { countingView, verifyProgress } from './progress.ts';
import { fillSample, type Sample, type SampleSize } from './sample.ts';
import { withRefill } from './session.ts';
import { demoEnd, explainStep, planStep, sampleStep, verifyStep, type DemoEnd } from './views/demo.ts';

export interface DemoOptions {
  readonly size: SampleSize;
  readonly seed: number | null;
  /** The directory in which the servers go on afterwards; null where nothing is left. */
  readonly keep: string | null;
  readonly json: boolean;
}

/** What was seen on the way, in the order in which it was. */
interface Story {
  readonly sample: Sample;
  readonly before: VerifyResult;
  readonly plan: Plan;
  readonly result: RunResult;
  readonly after: VerifyResult;
  readonly explained: Explanation | null;
}

/** The main job on servers of its own: what is wrong, put right, proven, and explained. */
export async function demo(cli: Cli, options: DemoOptions): Promise<void> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const say = (text: string) => {
    if (!options.json) cli.print(text);
  };
  const { color } = cli;
  say(color.bold('A tenant whose ClickHouse rows are wrong, put right and proven.\n'));
  const temporary = options.keep === null;
  const dir = options.keep === null ? await mkdtemp(join(tmpdir(), 'refill-demo-')) : resolve(cli.cwd, options.keep);
  say(`${color.bold('1. Servers')}  a real Postgres and a real ClickHouse, on this machine`);
  const info = await startEmbedded({ dir, guarded: true, attached: temporary, temporary });
  try {
    say(`   up after ${duration(seconds())}${temporary ? ', gone again at the end' : `, in ${dir}`}`);
    const sample = await fillSample(cli, info, { size: options.size, seed: options.seed, quiet: options.json });
    say(sampleStep(sample, color));
    const story = await withRefill(cli, { config: info.config }, (refill) => tell(cli, refill, sample, say, options));
    if (options.json) cli.json({ ...story, seconds: Math.round(seconds() * 10) / 10 });
    else if (story !== null) {
      const { keep } = options;
      const config = keep === null || keep === '.refill' ? undefined : info.config;
      const npm = cli.env['npm_command'] !== undefined;
      const end: DemoEnd = { ...story, seconds: seconds(), keep, config, npm };
      cli.print(demoEnd(end, color));
    }
  } finally {
    if (temporary) {
      await removeEmbedded(dir);
      await rm(dir, { recursive: true, force: true });
    }
  }
}

/** From the first verify to the last; null where it was interrupted. */
async function tell(
  cli: Cli,
  refill: Refill,
  sample: Sample,
  say: (text: string) => void,
  options: DemoOptions,
): Promise<Story | null> {
  const { color } = cli;
  const { tenant, range } = sample;
  const verify = async () => {
    const view = countingView(cli, options.json);
    const onProgress = (done: number, total: number) => view.show(`   ${verifyProgress(done, total)}`);
    return await refill.verify({ tenant, range, onProgress }).finally(() => view.end());
  };
  say(`\n${color.bold('3. Verify')}  both sides compared, by checksum over every column`);
  const before = await verify();
  say(verifyStep(before, color));

  const plan = await refill.plan({ tenant, range, strategy: 'replace' });
  say(planStep(plan, color));

  say(`\n${color.bold('5. Run')}  what the plan says, and nothing else; killed, it could go on`);
  const { result } = await follow(cli, false, (signals) => refill.run(plan.id, { ...signals, recount: false }));
  if (result.state === 'paused' || result.state === 'cancelled') return null;
  if (result.error !== undefined) cli.note(`   ${result.error.code}: ${result.error.message}`);

  say(`\n${color.bold('6. Verify again')}  not the run’s own word for it: both sides compared once more`);
  const after = await verify();
  say(verifyStep(after, color));

  const explained = await explainAppeal(refill, before, sample);
  if (explained !== null) say(explainStep(explained, color));
  return { sample, before, plan, result, after, explained };
}

/** One of the appeals that were in the target: what became of it, and why. */
async function explainAppeal(refill: Refill, before: VerifyResult, sample: Sample): Promise<Explanation | null> {
  const ledger = await refill.ledger();
  const drift = await ledger.drift(before.verification, { table: 'scorecard', limit: 100_000 });
  const appeal = drift.find(({ reason }) => reason === 'appeal');
  if (appeal === undefined) return null;
  const [first] = await refill.explain({ tenant: sample.tenant, id: appeal.key });
  return first ?? null;
}
