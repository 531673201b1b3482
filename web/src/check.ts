// SPDX-License-Identifier: Apache-2.0
// Whether a file of conversations has the shape that this page gives it: what is damaged would break the page later.

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
/** In addresses and selectors. */
const isId: Check = (value) => typeof value === 'string' && /^[a-z0-9]+$/i.test(value);
/** A thumbnail is shown as it is: it must be a picture and nothing that points elsewhere. */
const isThumb: Check = (value) => typeof value === 'string' && /^data:image\//.test(value);
const oneOf =
  (...words: string[]): Check =>
  (value) =>
    words.includes(value as string);
/** JSON says null of a number that is none, such as the length of a film that was recorded as it went. */
const orNothing =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const recordOf =
  (fields: Record<string, Check>): Check =>
  (value) =>
    isRecord(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isAttachment = recordOf({
  id: isId,
  kind: oneOf('image', 'audio', 'video', 'text'),
  name: isText,
  type: isText,
  size: isNumber,
  thumb: orNothing(isThumb),
  seconds: orNothing(isNumber),
});
const isStats = recordOf({
  promptTokens: isNumber,
  cachedTokens: isNumber,
  tokens: isNumber,
  thoughtTokens: isNumber,
  firstMs: isNumber,
  writeMs: isNumber,
});
const isMessage = recordOf({
  id: isId,
  parent: isText,
  role: oneOf('user', 'assistant', 'tool'),
  text: isText,
  at: isNumber,
  attachments: orNothing(listOf(isAttachment)),
  thought: orNothing(isText),
  thoughtMs: orNothing(isNumber),
  calls: orNothing(listOf(recordOf({ id: isText, name: isText, args: isText }))),
  results: orNothing(listOf(recordOf({ id: isText, content: isText }))),
  finish: orNothing(isText),
  error: orNothing(isText),
  stats: orNothing(isStats),
  model: orNothing(isText),
});

export function isChat(value: unknown): boolean {
  const isWhole = recordOf({ id: isId, title: isText, changed: isNumber, system: isText })(value);
  if (!isWhole || !isRecord(value) || !isRecord(value['messages']) || !isRecord(value['chosen'])) return false;
  const messages = Object.entries(value['messages']);
  return (
    messages.every(([id, each]) => isMessage(each) && (each as { id: string }).id === id) &&
    Object.values(value['chosen']).every(isText)
  );
}
