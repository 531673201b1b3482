// SPDX-License-Identifier: Apache-2.0
// What can wait until its place is near to what is seen, or is printed.

const SCREENS = '100%'; // above and below what is seen
const waiting = new Map<Element, () => void>();
let observer: IntersectionObserver | undefined;

/** `place` is in a scroller. Returns the way to do without it. */
export function whenNear(place: Element, work: () => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => entries.forEach(({ isIntersecting, target }) => isIntersecting && waiting.get(target)?.()),
    { root: place.closest('.scroller'), rootMargin: `${SCREENS} 0px` },
  );
  waiting.set(place, work);
  observer.observe(place);
  return () => {
    waiting.delete(place);
    observer!.unobserve(place);
  };
}

/** As for paper, to which nothing is nearer than anything else. */
export function drawAll(): void {
  waiting.forEach((work) => work());
}

addEventListener('beforeprint', drawAll);
