import type { Finding } from '../domain/events.ts';
import type { Workbench } from './workbench.ts';

/** What the profile of the target's user keeps Refill from. A pin that it forbids has been thrown before. */
export async function checkSession(bench: Workbench): Promise<readonly Finding[]> {
  const { readOnly, foreign } = await bench.target.session();
  const subject = bench.tenant.cluster;
  const findings: Finding[] = [];
  if (readOnly !== 0)
    findings.push({
      check: 'settings',
      level: 'error',
      subject,
      message: `the user may only read (readonly = ${readOnly})`,
      remedy: 'set readonly = 0 for the user of the configuration, or give it another profile',
      code: 'CH_USER_READ_ONLY',
    });
  if (foreign.length > 0)
    findings.push({
      check: 'settings',
      level: 'warning',
      subject,
      message: `the user's profile fixes settings that are not the server's defaults: ${foreign.join(', ')}`,
      remedy: 'let the user change them: Refill sets them to the defaults for its own statements',
    });
  return findings;
}
