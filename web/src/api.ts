// SPDX-License-Identifier: Apache-2.0
// The server, by the API that everybody else uses too.
import { serverKey } from './options';
import { eventsOf } from './sse';
import type { Finish, Kind, Model, Stats, ToolCall } from './types';

/** An answer that is no answer: what went wrong, in the server's words. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

async function call(path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (serverKey.value) headers['authorization'] = `Bearer ${serverKey.value}`;
  let response: Response;
  try {
    response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError('The server does not answer. Is gemma4 serve still running?', 0);
  }
  if (!response.ok) throw new ServerError(await reasonOf(response), response.status);
  return response;
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const message = (JSON.parse(text) as { error?: { message?: string } }).error?.message;
    if (message) return message;
  } catch {
    // an answer of something between here and the server
  }
  return text.trim().slice(0, 300) || `The server answers with status ${response.status}.`;
}

interface ModelList {
  data?: { id: string; max_model_len?: number; modalities?: Kind[] }[];
}

export async function fetchModels(): Promise<Model[]> {
  const list = (await (await call('v1/models')).json()) as ModelList;
  return Promise.all(
    (list.data ?? []).map(async ({ id, max_model_len, modalities }) => {
      const context = max_model_len ?? (await fetchContext(id));
      return { id, context, ...(modalities ? { modalities } : {}) };
    }),
  );
}

async function fetchContext(model: string): Promise<number> {
  try {
    const answer = (await (await call('tokenize', { model, text: '' })).json()) as { max_model_len?: number };
    return answer.max_model_len ?? 0;
  } catch {
    return 0; // nice to know, no more
  }
}

/** A piece of an answer. */
export interface Piece {
  text?: string;
  thought?: string;
  calls?: CallPiece[];
  finish?: Finish;
  usage?: Usage;
}
export type CallPiece = Partial<ToolCall> & { index: number };
export type Usage = Pick<Stats, 'promptTokens' | 'cachedTokens' | 'tokens' | 'thoughtTokens'>;

interface Chunk {
  error?: { message?: string };
  choices?: { delta?: Delta; finish_reason?: string | null }[];
  usage?: {
    prompt_tokens?: number;
    completion_tokens?: number;
    prompt_tokens_details?: { cached_tokens?: number };
    completion_tokens_details?: { reasoning_tokens?: number };
  } | null;
}
interface Delta {
  content?: string | null;
  reasoning_content?: string | null;
  tool_calls?: { index?: number; id?: string; function?: { name?: string; arguments?: string } }[];
}

export async function* complete(request: object, signal: AbortSignal): AsyncGenerator<Piece> {
  const response = await call('v1/chat/completions', request, signal);
  if (!response.body) throw new ServerError('The server sends no stream.', response.status);
  try {
    for await (const data of eventsOf(response.body)) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) throw new ServerError(chunk.error.message ?? 'The server broke off.', 500);
      yield pieceOf(chunk);
    }
  } catch (error) {
    if (signal.aborted || error instanceof ServerError) throw error;
  }
  throw new ServerError('The connection ended before the answer did.', 0);
}

function pieceOf(chunk: Chunk): Piece {
  const piece: Piece = {};
  const choice = chunk.choices?.[0];
  if (choice?.delta?.content) piece.text = choice.delta.content;
  if (choice?.delta?.reasoning_content) piece.thought = choice.delta.reasoning_content;
  if (choice?.delta?.tool_calls) {
    piece.calls = choice.delta.tool_calls.map((each, i) => ({
      index: each.index ?? i,
      ...(each.id ? { id: each.id } : {}),
      ...(each.function?.name ? { name: each.function.name } : {}),
      ...(each.function?.arguments ? { args: each.function.arguments } : {}),
    }));
  }
  if (choice?.finish_reason) piece.finish = choice.finish_reason as Finish;
  if (chunk.usage) {
    piece.usage = {
      promptTokens: chunk.usage.prompt_tokens ?? 0,
      cachedTokens: chunk.usage.prompt_tokens_details?.cached_tokens ?? 0,
      tokens: chunk.usage.completion_tokens ?? 0,
      thoughtTokens: chunk.usage.completion_tokens_details?.reasoning_tokens ?? 0,
    };
  }
  return piece;
}

/** What has been said of calls so far, with a piece more. */
export function withCalls(calls: ToolCall[], pieces: CallPiece[]): ToolCall[] {
  const out = [...calls];
  for (const { index, id, name, args } of pieces) {
    const old = out[index] ?? { id: '', name: '', args: '' };
    out[index] = { id: id ?? old.id, name: name ?? old.name, args: old.args + (args ?? '') };
  }
  return out;
}
