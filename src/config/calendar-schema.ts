import { z } from 'zod';
import { calendarProblems } from '../domain/calendar-rules.ts';
import { oneOf, strict, whole, words } from './fields.ts';

const quietSchema = strict({
  days: z.array(words('a day such as mon, or days such as mon-fri')).min(1).describe('`mon`, or `mon-fri`.'),
  from: words('a time such as 07:00').describe('`07:00`, on the clock of the zone.'),
  to: words('a time such as 19:00').describe('`19:00`; one before `from` lies on the next day.'),
  windows: whole(0, 64).exactOptional().describe('Windows at once in these hours; default 0.'),
});

/** When a cluster may be worked on. What its parts mean together is checked by the calendar itself. */
export const calendarSchema = strict({
  timeZone: words('a zone’s name such as Europe/Berlin').describe('IANA name of the zone in which times are meant.'),
  quiet: z.array(quietSchema).exactOptional().describe('Hours in which others need the servers.'),
  weekends: oneOf(['open', 'quiet']).exactOptional().describe('`open`: no quiet hours on Saturday and Sunday.'),
  freeze: z.array(words('a day such as 2026-12-24')).exactOptional().describe('Days on which nothing is begun.'),
  deadline: words('an instant').exactOptional().describe('When everything should be done: warned about.'),
})
  .superRefine((calendar, context) => {
    for (const message of calendarProblems(calendar)) context.addIssue({ code: 'custom', message });
  })
  .describe('When a cluster may be worked on; a run waits and goes on by itself.');
