// SPDX-License-Identifier: Apache-2.0
// Asking, and taking the answer down as it comes. An answer goes on when another conversation is looked at.
import { complete, withCalls, type Piece, type Usage } from './api';
import { announceEnd, announceText } from './announce';
import { keepAgain } from './files';
import { options } from './options';
import { requestOf } from './request';
import {
  chat,
  chatAtHand,
  chatWith,
  connect,
  currentId,
  keepUnfinished,
  model,
  running,
  save,
  serverTrouble,
  show,
} from './state';
import { newId, pathTo, withChange, withMessage } from './tree';
import type { Attachment, Message, Stats, ToolResult } from './types';

/** The pauses in which a growing answer is not drawn: short enough to look fluent, long enough to leave the processor,
 *  which may be the one that writes the answer, alone: at least so many times what drawing takes. */
const PAUSE_MS = 40;
const PAUSE_TIMES = 2;
const MOST_PAUSE_MS = 1000; // a window that was out of sight has drawn nothing for long
/** How often it is written down. */
const KEEP_MS = 2000;

export function send(text: string, attachments: Attachment[]): void {
  const it = chatAtHand(text, attachments[0]);
  const parent = lastOf(it.id);
  const message: Message = { id: newId(), parent, role: 'user', text, at: Date.now() };
  if (attachments.length > 0) message.attachments = attachments;
  void keepAgain(attachments.map(({ id }) => id)).catch(() => {}); // they are in memory yet
  show(withMessage(it, message));
  void answer(it.id, message.id);
}

/** A question asked otherwise, beside the old one. */
export function rewrite(old: Message, text: string, attachments: Attachment[]): void {
  const it = chat.value;
  if (!it) return;
  const message: Message = { id: newId(), parent: old.parent, role: 'user', text, at: Date.now() };
  if (attachments.length > 0) message.attachments = attachments;
  show(withMessage(it, message));
  void answer(it.id, message.id);
}

/** Another answer beside this one. */
export function again(old: Message): void {
  if (chat.value) void answer(chat.value.id, old.parent);
}

/** What a person says that the tools have found. */
export function giveResults(call: Message, results: ToolResult[]): void {
  const it = chat.value;
  if (!it) return;
  const message: Message = { id: newId(), parent: call.id, role: 'tool', text: '', results, at: Date.now() };
  show(withMessage(it, message));
  void answer(it.id, message.id);
}

export function stop(chatId = currentId.value): void {
  running.value.get(chatId)?.abort();
}

function lastOf(chatId: string): string {
  const it = chatWith(chatId);
  let id = '';
  while (it && it.chosen[id] !== undefined && it.chosen[id] !== id) id = it.chosen[id]!;
  return id;
}

function setRunning(chatId: string, controller: AbortController | undefined): void {
  const next = new Map(running.value);
  if (controller) next.set(chatId, controller);
  else next.delete(chatId);
  running.value = next;
}

/** Takes down what comes, and shows it now and then. */
class Answer {
  readonly message: Message;
  private timer = 0;
  private drawingMs = 0; // the last time
  private begun = performance.now();
  private first = 0;
  private latest = 0;
  private thoughtEnd = 0;
  private usage: Usage | undefined;
  private pieces = 0;
  private kept = performance.now();

  constructor(
    private chatId: string,
    parent: string,
  ) {
    this.message = { id: newId(), parent, role: 'assistant', text: '', at: Date.now() };
    if (model.value) this.message.model = model.value.id;
    show(withMessage(chatWith(chatId)!, this.message));
  }

  take(piece: Piece): void {
    const now = performance.now();
    if (piece.text || piece.thought || piece.calls) {
      this.first ||= now;
      this.latest = now;
      ++this.pieces;
    }
    const message = this.message;
    if (piece.thought) message.thought = (message.thought ?? '') + piece.thought;
    if ((piece.text || piece.calls) && message.thought && !this.thoughtEnd) this.thoughtEnd = now;
    if (piece.text) message.text += piece.text;
    if (piece.calls) message.calls = withCalls(message.calls ?? [], piece.calls);
    if (piece.finish) message.finish = piece.finish;
    if (piece.usage) {
      this.usage = piece.usage;
      this.first ||= now; // of an answer that has nothing to show: all of it was control tokens, or a thought cut short
      this.latest ||= now;
    }
    const pause = Math.min(Math.max(PAUSE_MS, PAUSE_TIMES * this.drawingMs), MOST_PAUSE_MS);
    this.timer ||= window.setTimeout(() => this.draw(), pause);
  }

  draw(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    const begun = performance.now();
    const message = this.message;
    if (this.first) message.stats = this.stats();
    if (message.thought) message.thoughtMs = (this.thoughtEnd || this.latest) - this.first;
    const it = chatWith(this.chatId);
    if (it) show(withChange(it, message.id, message));
    if (performance.now() - this.kept > KEEP_MS) {
      this.kept = performance.now();
      void keepUnfinished(this.chatId);
    }
    if (options.value.announce && currentId.value === this.chatId) announceText(message);
    // The page follows behind this, and the browser with the frame.
    requestAnimationFrame(() => setTimeout(() => (this.drawingMs = performance.now() - begun)));
  }

  /** Exact once the server has said so; until then a piece counts as a token. */
  private stats(): Stats {
    const usage = this.usage ?? { promptTokens: 0, cachedTokens: 0, tokens: this.pieces, thoughtTokens: 0 };
    return { ...usage, firstMs: this.first - this.begun, writeMs: this.latest - this.first };
  }
}

async function answer(chatId: string, parent: string): Promise<void> {
  if (running.value.has(chatId)) return;
  const controller = new AbortController();
  const question = pathTo(chatWith(chatId)!, parent);
  const taken = new Answer(chatId, parent);
  setRunning(chatId, controller);
  await save(chatId);
  try {
    if (serverTrouble.value) await connect();
    const request = await requestOf(question, chatWith(chatId)?.system ?? '', options.value);
    for await (const piece of complete(request, controller.signal)) taken.take(piece);
  } catch (error) {
    if (controller.signal.aborted) taken.message.finish = 'stopped';
    else taken.message.error = error instanceof Error ? error.message : String(error);
  }
  if (taken.message.error) void connect(); // what the server wants and has may be something else by now
  taken.draw();
  setRunning(chatId, undefined);
  if (currentId.value === chatId) announceEnd(taken.message);
  if (chatWith(chatId)) await save(chatId);
}
