import { describe, expect, it } from 'vitest';

import { fit, progressView } from '../../src/cli/progress.ts';
import type { Progress, RunEvent } from '../../src/domain/events.ts';
import { recordingCli } from './place.ts';

const PROGRESS: Progress = {
  type: 'progress',
  run: 'r-1',
  at: '2026-01-05T00:00:00.000Z',
  windows: { total: 8, done: 2, written: 3, active: 2, failed: 1 },
  deletes: { total: 1, done: 0 },
  rowsWritten: 500_000,
  rowsTotal: 2_000_000,
  rowsPerSecond: 90_123.4,
  secondsLeft: 17,
  doing: 're-indexing 2 windows',
};
const RANGE = { from: '2026-01-05T00:00:00.000Z', to: '2026-01-06T00:00:00.000Z' };
const WRITTEN: RunEvent = {
  type: 'window',
  run: 'r-1',
  window: 3,
  ...RANGE,
  state: 'written',
  rows: 12_000,
  seconds: 1.5,
};

describe('progress on a terminal', () => {
  const wide = { tty: true, columns: 200, env: { NO_COLOR: '1' } };

  it('is one line that is redrawn and cleared', () => {
    const { cli, err } = recordingCli(wide);
    let now = 0;
    const view = progressView(cli, () => now);
    view.show(PROGRESS);
    now = 1000;
    view.show({ ...PROGRESS, rowsWritten: 1_000_000 });
    view.end();
    expect(err()).not.toContain('\n');
    expect(err().split('\r\u001b[2K')).toHaveLength(4);
    expect(err()).toContain(
      '25 %  90,123 rows/s · 1,500,000 rows left · 17 s left · re-indexing 2 windows · 2/8 windows · 1 failed',
    );
    expect(err().endsWith('\r\u001b[2K')).toBe(true);
  });

  it('never wraps, and never cuts a colour in two', () => {
    const { cli, err } = recordingCli({ tty: true, columns: 40 });
    progressView(cli, () => 1000).show(PROGRESS);
    // eslint-disable-next-line no-control-regex -- colours are what is left out
    expect(err().replace(/\r|\u001b\[[0-9;]*[mK]/gu, '')).toHaveLength(39);
    expect(fit('\u001b[31mab\u001b[39mc', 1)).toBe('\u001b[31ma\u001b[39m');
  });

  it('keeps what matters above it, and lets windows go by', () => {
    const { cli, err } = recordingCli(wide);
    const view = progressView(cli, () => 1000);
    view.show(PROGRESS);
    view.show(WRITTEN);
    expect(err()).not.toContain('window 3');
    view.show({ type: 'notice', run: 'r-1', message: 'waiting for merges\u001b[2J' });
    expect(err()).toContain('waiting for merges\\u001b[2J\n');
  });

  it('has no colours where NO_COLOR is set', () => {
    const { cli, err } = recordingCli(wide);
    progressView(cli, () => 1000).show(PROGRESS);
    expect(err()).not.toContain('\u001b[3');
  });
});

describe('progress elsewhere', () => {
  it('is a line every five seconds at most, and each change of state', () => {
    const { cli, err } = recordingCli();
    let now = 0;
    const view = progressView(cli, () => now);
    for (now = 0; now < 10_000; now += 250) view.show(PROGRESS);
    view.show({ ...WRITTEN, state: 'writing' });
    view.show(WRITTEN);
    view.show({ type: 'delete', run: 'r-1', delete: 1, ...RANGE, state: 'finished', rows: 4000 });
    view.end();
    const lines = err().trim().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^00:00:00 25 % {2}90,123 rows\/s/u);
    expect(lines[1]).toMatch(/^00:00:05 /u);
    expect(lines[2]).toContain('window 3 (2026-01-05 to 2026-01-06): 12,000 rows written in 1.5 s');
    expect(lines[3]).toContain('delete 1 (2026-01-05 to 2026-01-06): finished, 4,000 rows');
    expect(err()).not.toContain('\r');
    expect(err()).not.toContain('\u001b');
  });
});
