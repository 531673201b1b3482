// SPDX-License-Identifier: Apache-2.0
// A conversation as a request of /v1/chat/completions.
import { dataUrlOf, fileOf } from './files';
import type { Attachment, Message, Options } from './types';

type Part = Record<string, unknown>;

/** `path`: what has been said, first to last. Thoughts stay here: the model's templates leave them out anyway. */
export async function requestOf(path: Message[], system: string, options: Options): Promise<object> {
  const messages: object[] = [];
  if (system.trim()) messages.push({ role: 'system', content: system });
  for (const message of answered(path)) messages.push(...(await messagesOf(message, options)));
  return {
    ...(options.model ? { model: options.model } : {}),
    messages,
    stream: true,
    stream_options: { include_usage: true },
    chat_template_kwargs: { enable_thinking: options.think },
    ...samplingOf(options),
    ...(options.tools.trim() ? { tools: JSON.parse(options.tools) as unknown } : {}),
  };
}

/** Without questions that got no answer, whose turn a model's template would miss, and without calls of tools that
 *  nobody has answered. */
export function answered(path: Message[]): Message[] {
  const out: Message[] = [];
  path.forEach((message, i) => {
    const isCall = !!message.calls?.length && path[i + 1]?.role === 'tool';
    if (message.role !== 'assistant' || isCall) {
      out.push(message);
    } else if (message.text.trim()) {
      out.push({ ...message, calls: [] });
    } else {
      let gone = out.pop();
      while (gone && gone.role !== 'user') gone = out.pop();
    }
  });
  return out;
}

/** Only what is set: the rest is as the model's own configuration says. */
export function samplingOf(options: Options): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    temperature: options.temperature,
    top_p: options.topP,
    top_k: options.topK,
    min_p: options.minP,
    repetition_penalty: options.repetition,
    presence_penalty: options.presence,
    frequency_penalty: options.frequency,
    max_completion_tokens: options.maxTokens,
    seed: options.seed,
    stop: options.stop.length > 0 ? options.stop : undefined,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

async function messagesOf(message: Message, options: Options): Promise<object[]> {
  if (message.role === 'tool') {
    return (message.results ?? []).map(({ id, content }) => ({ role: 'tool', tool_call_id: id, content }));
  }
  if (message.role === 'assistant') {
    const calls = message.calls?.map(({ id, name, args }) => {
      return { id, type: 'function', function: { name, arguments: args } };
    });
    return [{ role: 'assistant', content: message.text, ...(calls?.length ? { tool_calls: calls } : {}) }];
  }
  if (!message.attachments?.length) return [{ role: 'user', content: message.text }];
  const parts: Part[] = [];
  for (const each of message.attachments) parts.push(await partOf(each, options));
  if (message.text) parts.push({ type: 'text', text: message.text });
  return [{ role: 'user', content: parts }];
}

async function partOf(attachment: Attachment, options: Options): Promise<Part> {
  const blob = await fileOf(attachment.id);
  if (!blob) throw new Error(`${attachment.name} is no longer in this browser: attach it again, or remove it.`);
  if (attachment.kind === 'text') return { type: 'text', text: fenced(attachment.name, await blob.text()) };
  const url = await dataUrlOf(blob);
  if (attachment.kind === 'audio') {
    const format = attachment.type.split('/')[1]?.replace(/^x-|;.*$/g, '') || 'wav';
    return { type: 'input_audio', input_audio: { data: url.slice(url.indexOf(',') + 1), format } };
  }
  if (attachment.kind === 'video') return { type: 'video_url', video_url: { url } };
  const budget = options.budget && (options.budget === 'auto' ? 'auto' : Number(options.budget));
  return { type: 'image_url', image_url: { url, ...(budget ? { budget } : {}) } };
}

/** A file's text with its name, in a fence that nothing inside it closes. */
function fenced(name: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${name}\n${fence}\n${text.replace(/\n$/, '')}\n${fence}`;
}
