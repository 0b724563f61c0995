/** How the places of the crew are filled. */
export interface Roll {
  /** Workers that were heard of lately, and those of them that accept connections. */
  readonly alive: number;
  readonly serving: number;
  /** Workers of which nothing was heard for some seconds, and places of which the worker has ended or only begins. */
  readonly silent: number;
  readonly vacant: number;
}

/** Why this Spillway would better be started anew; undefined if it would not. Who leaves has nothing to prove. */
export function notLive(roll: Roll, leaving: boolean): string | undefined {
  return leaving || roll.alive > 0 ? undefined : `No worker is alive: ${told(roll)}.`;
}

/** Why no requests should be sent here; undefined if they are welcome. */
export function notReady(roll: Roll, leaving: boolean): string | undefined {
  if (leaving) return 'Spillway is shutting down.';
  if (roll.serving > 0) return undefined;
  return roll.alive > 0
    ? 'No worker accepts connections yet.'
    : `No worker accepts connections: ${told(roll)}.`;
}

function told({ silent, vacant }: Roll): string {
  const parts = [
    ...(silent > 0 ? [`${silent} ${silent === 1 ? 'hangs' : 'hang'}`] : []),
    ...(vacant > 0 ? [`${vacant} ended and will be replaced`] : []),
  ];
  return parts.join(', ');
}
