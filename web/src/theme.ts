// SPDX-License-Identifier: Apache-2.0
// Before the first paint: the colours that were chosen, so that nothing flashes. A program of its own.
try {
  const stored = JSON.parse(localStorage.getItem('gemma4.options') ?? '{}') as { theme?: string };
  document.documentElement.dataset['theme'] = stored.theme ?? 'system';
} catch {
  document.documentElement.dataset['theme'] = 'system';
}
