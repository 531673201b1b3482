// SPDX-License-Identifier: Apache-2.0
// What a conversation is made of. All of it is plain data: it goes to IndexedDB and into exported files as it is.

export type Role = 'user' | 'assistant' | 'tool';
export type Kind = 'image' | 'audio' | 'video' | 'text';

/** A file beside a message. Its bytes lie in the store of files under `id`. */
export interface Attachment {
  id: string;
  kind: Kind;
  name: string;
  type: string;
  size: number;
  /** A small picture as a data URL, where there is one. */
  thumb?: string;
  /** Of sound and film. */
  seconds?: number;
}

export interface ToolCall {
  id: string;
  name: string;
  /** JSON, as it came. */
  args: string;
}

export interface ToolResult {
  id: string;
  content: string;
}

/** What an answer took. */
export interface Stats {
  promptTokens: number;
  cachedTokens: number;
  tokens: number;
  thoughtTokens: number;
  /** Milliseconds from the request to the first piece, and from that to the last. */
  firstMs: number;
  writeMs: number;
}

export type Finish = 'stop' | 'length' | 'tool_calls' | 'stopped';

export interface Message {
  id: string;
  /** '' for the first ones of a conversation. */
  parent: string;
  role: Role;
  text: string;
  at: number;
  attachments?: Attachment[];
  thought?: string;
  thoughtMs?: number;
  calls?: ToolCall[];
  results?: ToolResult[];
  finish?: Finish;
  error?: string;
  stats?: Stats;
  model?: string;
}

/** A tree of messages: an edited question or an answer given anew stands beside the old one. */
export interface Chat {
  id: string;
  title: string;
  created: number;
  changed: number;
  system: string;
  messages: Record<string, Message>;
  /** For each parent, which of its children is shown. */
  chosen: Record<string, string>;
}

/** A conversation's line in the list. */
export type Summary = Pick<Chat, 'id' | 'title' | 'changed'>;

export type Budget = '' | 'auto' | '70' | '140' | '280' | '560' | '1120';
export type Theme = 'system' | 'light' | 'dark';

/** What a person can set, for all conversations. A number left out is the model's own. */
export interface Options {
  think: boolean;
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repetition?: number;
  presence?: number;
  frequency?: number;
  maxTokens?: number;
  seed?: number;
  stop: string[];
  budget: Budget;
  /** A JSON array of function declarations, or ''. */
  tools: string;
  /** The system prompt that a new conversation begins with. */
  system: string;
  model: string;
  theme: Theme;
  enterSends: boolean;
  announce: boolean;
}

export interface Model {
  id: string;
  /** Tokens that its context holds; 0 where the server does not say. */
  context: number;
  /** What it reads; undefined where the server does not say. */
  modalities?: Kind[];
}
