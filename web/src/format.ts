// SPDX-License-Identifier: Apache-2.0
// Numbers, sizes and times as people read them.
import type { Stats } from './types';

export function count(value: number): string {
  return value.toLocaleString('en-GB');
}

/** 1300 → "1.3k", 131072 → "131k". */
export function short(value: number): string {
  if (value < 1000) return String(value);
  if (value < 9950) return (value / 1000).toFixed(1) + 'k';
  return value < 999500 ? Math.round(value / 1000) + 'k' : (value / 1e6).toFixed(1) + 'M';
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 999500) return `${Math.round(value / 1000)} kB`;
  return `${(value / 1e6).toFixed(1)} MB`;
}

/** 83.4 → "1:23". */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

export function duration(ms: number): string {
  if (ms < 950) return `${Math.round(ms)} ms`;
  return ms < 59500
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
}

/** Of an answer once its first token is there. */
export function tokensPerSecond(stats: Stats): number {
  return stats.tokens > 1 && stats.writeMs > 0 ? ((stats.tokens - 1) * 1000) / stats.writeMs : 0;
}

/** The day that a conversation is filed under. */
export function dayOf(at: number, now = Date.now()): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (at >= midnight) return 'Today';
  if (at >= midnight - 86400000) return 'Yesterday';
  if (at >= midnight - 6 * 86400000) return 'This week';
  return new Date(at).toLocaleDateString('en-GB', { month: 'long', year: 'numeric' });
}
