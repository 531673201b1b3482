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
  if (ms < 59500) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** What came within less says nothing of speed: it may have come together. */
const LEAST_MS = 50;

/** Of an answer once its first token is there; 0 where there is too little to tell. */
export function tokensPerSecond(stats: Stats): number {
  return stats.tokens > 1 && stats.writeMs >= LEAST_MS ? ((stats.tokens - 1) * 1000) / stats.writeMs : 0;
}

/** The day that a conversation is filed under. */
export function dayOf(at: number, now = Date.now()): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (at >= midnight) return 'Today';
  if (at >= midnight - 86400000) return 'Yesterday';
  if (at >= midnight - 6 * 86400000) return 'This week';
  return new Date(at).toLocaleDateString('en-GB', { month: 'long', year: 'numeric' });
}
