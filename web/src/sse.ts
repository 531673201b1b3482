// SPDX-License-Identifier: Apache-2.0
// Server-sent events: the `data` of each event of a body.

/** Takes pieces of text as they come, and hands out the data of events that are whole. */
export class EventReader {
  private rest = '';
  private lines: string[] = [];

  push(piece: string): string[] {
    const events: string[] = [];
    // A "\r" at the end may be half of "\r\n": it waits for what follows.
    const text = this.rest + piece;
    const held = text.endsWith('\r') ? text.length - 1 : text.length;
    const parts = text.slice(0, held).split(/\r\n|\n|\r/);
    this.rest = parts.pop()! + text.slice(held);
    for (const line of parts) this.line(line, events);
    return events;
  }

  private line(line: string, events: string[]): void {
    if (line === '') {
      if (this.lines.length > 0) events.push(this.lines.join('\n'));
      this.lines = [];
    } else if (line.startsWith('data:')) {
      this.lines.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    } // comments keep a connection open; names and ids say nothing here
  }
}

export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* events.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Whoever stops listening does not leave the other side writing.
    await reader.cancel().catch(() => {});
  }
}
