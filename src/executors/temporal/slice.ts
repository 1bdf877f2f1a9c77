import type { FlowDelete, FlowWindow, Work } from '../../flow/steps.ts';
import type { SliceSize } from './shared/payloads.ts';

/**
 * A part of a run's work that fits into one execution of a workflow: the next deletes that can get further, with their
 * windows that are not written. A delete whose windows do not fit is `cut`, so that the flow leaves it after them.
 */
export function sliceOf(work: Work, size: SliceSize): { readonly work: Work; readonly more: boolean } {
  const deletes: FlowDelete[] = [];
  const windows: FlowWindow[] = [];
  let more = false;
  for (const del of work.deletes) {
    if (del.state === 'proven' || del.state === 'failed') continue;
    const own = work.windows.filter((w) => w.delete === del.id);
    const failed = own.find((w) => w.state === 'failed');
    const due = own.filter((w) => w.state === 'pending' || w.state === 'writing');
    // Before a purge deletes, all of them are rehearsed: those that are not come first.
    const unrehearsed = work.strategy === 'purge' && del.state === 'pending' ? due.filter((w) => !w.rehearsed) : [];
    const open = [...unrehearsed, ...due.filter((w) => !unrehearsed.includes(w))];
    // It gets no further: handed out again it would only fail again.
    if (failed && open.length === 0) continue;
    const room = size.windows - windows.length;
    if (deletes.length >= size.deletes || (room <= 0 && open.length > 0)) {
      more = true;
      break;
    }
    const cut = open.length > room;
    if (cut) more = true;
    deletes.push({
      id: del.id,
      from: del.from,
      to: del.to,
      state: del.state,
      ...(cut ? { cut } : {}),
      ...(unrehearsed.length > room ? { unrehearsed: true } : {}),
    });
    windows.push(...open.slice(0, room), ...(failed ? [failed] : []));
  }
  return { work: { strategy: work.strategy, deletes, windows: windows.map(bare), more }, more };
}

/** A ledger's record has more in it than the flow needs, and a payload is small. */
function bare({ id, delete: del, from, to, state, rehearsed }: FlowWindow): FlowWindow {
  return { id, delete: del, from, to, state, ...(rehearsed === true ? { rehearsed } : {}) };
}
