import { caddy } from './caddy.ts';
import { haproxy } from './haproxy.ts';
import { libraries } from './libraries.ts';
import { nginx } from './nginx.ts';
import type { Rival } from './rival.ts';
import { spillway } from './spillway.ts';

/** Spillway and everybody it is measured against, in the order of the report. */
export const field: readonly Rival[] = [
  spillway('spillway'),
  spillway('spillway+log', { accessLog: true }),
  nginx,
  haproxy,
  caddy,
  ...libraries,
];
